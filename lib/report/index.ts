/** `nabla/report`: pages in one file, with their pictures, that read well on a phone. */
export { type Column, figure, page, type Section, table } from "./page.js";
