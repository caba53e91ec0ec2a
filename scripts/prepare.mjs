/** What `npm install` runs in a clone: builds the addon and the TypeScript, after the version check that needs old syntax. */
import "./node-version.mjs";

import("./build.mjs").then(({ build }) => build());
