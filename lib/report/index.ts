/** `nabla/report`: pages in one file, with their pictures, that read well on a phone; a server for those that act. */
export { answer, LocalServer, type Route } from "./local-server.js";
export { type Column, figure, type Html, page, type Section, table } from "./page.js";
