/** `NABLA_LOG`: what nabla does, told to standard error as it happens. */

const topics = ["compile", "program", "run"] as const;
/** `compile`: a line for each program made. `program`: its instructions. `run`: a line for each run that is queued. */
export type LogTopic = (typeof topics)[number];

const wanted = new Set((process.env.NABLA_LOG ?? "").split(",").filter((topic) => topic !== ""));
for (const topic of wanted) {
  if (!(topics as readonly string[]).includes(topic)) {
    process.emitWarning(`NABLA_LOG names "${topic}"; there are ${topics.join(", ")}, separated by commas`, { code: "NABLA_LOG" });
  }
}

/** Writes a line if the topic is asked for; only then is `text` called. */
export function log(topic: LogTopic, text: () => string): void {
  if (wanted.has(topic)) process.stderr.write(`nabla ${topic}: ${text()}\n`);
}
