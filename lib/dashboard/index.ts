/** `nabla/dashboard`: a training as it goes on, in a browser. */
export { type Change, type Dashboard, type DashboardOptions, dashboard } from "./dashboard.js";
export { EventFile } from "./event-file.js";
export { type TensorBoardOptions, tensorBoard } from "./tensorboard.js";
