/** Stops with one sentence where Node is too old. Written in syntax that old versions read, and imports nothing. */

/** The `engines` of package.json. */
function isSupported(version) {
  const [major, minor] = version.split(".").map(Number);
  return (major === 20 && minor >= 19) || (major === 22 && minor >= 12) || major > 22;
}

if (!isSupported(process.versions.node)) {
  console.error(
    "nabla needs Node 20.19 or newer (of Node 22, 22.12 or newer) and this is " +
      process.versions.node +
      ": install a current one from https://nodejs.org, then run npm install again.",
  );
  process.exit(1);
}
