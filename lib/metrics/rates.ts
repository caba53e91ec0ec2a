/** Events in time: alarms of a detector beside what really happened, as rates an hour. */
import { ValueError } from "../base/errors.js";
import { optionsOf } from "../base/options.js";

export interface DetectionRates {
  /** Events that were found, events that were not, alarms that no event explains. */
  readonly hits: number;
  readonly misses: number;
  readonly falseAlarms: number;
  /** Share of events that were found; NaN if there were none. */
  readonly recall: number;
  /** Share of alarms that an event explains; NaN if there were none. */
  readonly precision: number;
  readonly falseAlarmsPerHour: number;
  readonly missesPerHour: number;
}

/**
 * Alarms against events. `alarms`, `events`: their times in seconds, in any order; `seconds`: how long was listened. An alarm at most `tolerance` seconds
 * (default 0.5) from an event finds it; each event takes the first alarm that is left, and each alarm stands for one event.
 * @example detectionRates(alarms, spoken, { seconds: 24 * 3600 }).falseAlarmsPerHour <= 1 / 24 // at most one in a day
 */
export function detectionRates(
  alarms: ArrayLike<number>,
  events: ArrayLike<number>,
  options: { seconds: number; tolerance?: number },
): DetectionRates {
  const op = "detectionRates";
  const { seconds, tolerance = 0.5 } = optionsOf(op, options, ["seconds", "tolerance"]);
  if (!(seconds > 0)) throw new ValueError(`${op}: seconds must be above 0 but is ${seconds}`, { op, inputs: [seconds] });
  if (!(tolerance >= 0)) throw new ValueError(`${op}: tolerance must be at least 0 but is ${tolerance}`, { op, inputs: [tolerance] });
  const [heard, happened] = [alarms, events].map((times) => Float64Array.from(times).sort());
  let hits = 0;
  let next = 0;
  for (const event of happened) {
    while (next < heard.length && heard[next] < event - tolerance) next++;
    if (next < heard.length && heard[next] <= event + tolerance) {
      hits++;
      next++;
    }
  }
  const misses = happened.length - hits;
  const falseAlarms = heard.length - hits;
  const hours = seconds / 3600;
  return {
    hits,
    misses,
    falseAlarms,
    recall: hits / happened.length,
    precision: hits / heard.length,
    falseAlarmsPerHour: falseAlarms / hours,
    missesPerHour: misses / hours,
  };
}
