/** `nabla/profile`: what nabla holds, what it does and how long that takes. */
export { Profile, type ProfileRow, profile } from "./profile.js";
export { type Stats, stats } from "./stats.js";
