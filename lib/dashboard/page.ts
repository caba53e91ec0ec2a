/** What the browser gets: a page that replaces its parts by what it is sent, and sends back what is pressed. */
import { page } from "../report/index.js";

/** Parts of the page that are sent anew, by the id of their element. */
export type Part = "now" | "curves" | "steps" | "machine" | "weights" | "errors";

const script = `
const token = new URLSearchParams(location.search).get("token");
const act = (action, value) => fetch("control?token=" + token, { method: "POST", body: JSON.stringify({ action, value }) });
addEventListener("DOMContentLoaded", () => {
  for (const button of document.querySelectorAll("button[data-action]")) button.onclick = () => act(button.dataset.action, Number(button.dataset.value));
  document.querySelector("form").onsubmit = (event) => {
    event.preventDefault();
    act("rate", Number(document.querySelector("input").value));
  };
  const stream = new EventSource("stream?token=" + token);
  stream.onmessage = ({ data }) => {
    for (const [id, html] of Object.entries(JSON.parse(data))) document.getElementById(id).innerHTML = html;
  };
  stream.addEventListener("end", () => {
    stream.close();
    document.body.classList.add("ended");
  });
});`;

const style = `
#controls { position: sticky; top: 0; background: #fff; padding: .5rem 0; display: flex; flex-wrap: wrap; gap: .5rem; border-bottom: 1px solid #ddd; }
button, input { font: inherit; padding: .3rem .8rem; } input { width: 6rem; }
.ended button, .ended form { display: none; }`;

const controls = `<div id="controls">
<button data-action="pause">pause</button><button data-action="resume">go on</button><button data-action="stop">stop</button>
<button data-action="scale" data-value="0.5">rate ÷ 2</button><button data-action="scale" data-value="2">rate × 2</button>
<form><input name="rate" inputmode="decimal" placeholder="rate" aria-label="learning rate"> <button>set</button></form></div>`;

const sections: Readonly<Record<Part, string>> = {
  now: "Now",
  curves: "Epochs",
  steps: "Steps",
  machine: "Speed and memory",
  weights: "Weights",
  errors: "Errors",
};

export function dashboardPage(): string {
  const parts = Object.entries(sections).map(([id, title]) => ({ title, body: `<div id="${id}">not yet</div>` }));
  const [now, ...rest] = parts;
  return page("Training", [{ ...now, body: controls + now.body }, ...rest], { head: `<style>${style}</style><script>${script}</script>` });
}
