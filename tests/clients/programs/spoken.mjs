// What a client program says while it runs.

/** Keeps what a child process says, in `child.said`. */
export function listen(child) {
  if (child.said !== undefined) return;
  child.said = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on("data", (bytes) => {
      child.said += bytes;
      child.emit("said");
    });
  }
}

/**
 * Waits for a URL that begins with `prefix` in what `child` says, from `since` on.
 * Refuses when the child ends first.
 */
export function urlIn(child, prefix, since = 0) {
  listen(child);
  return new Promise((found, refuse) => {
    const look = () => {
      const at = child.said.indexOf(prefix, since);
      if (at < 0) return;
      const end = child.said.slice(at).search(/[\s\u001b\u0007"]/);
      if (end < 0) return;
      child.off("said", look);
      found(child.said.slice(at, at + end));
    };
    child.on("said", look);
    child.once("error", refuse);
    child.once("close", (code) => {
      look();
      refuse(new Error(`ended with ${code} before it named ${prefix}: ${child.said.slice(-600)}`));
    });
    look();
  });
}
