/** A training is seen and steered from a browser, by those who know its token. */
import { mkdirSync, writeFileSync } from "node:fs";
import { ArrayDataset, type Callback, dashboard, fit, losses, metrics, nn, optim, rand, setSeed } from "nabla";
import { expect, it } from "vitest";
import { Browser, hasBrowser } from "../chromium.js";

/** 60 pictures of 8×8 that are bright on the left or on the right; every tenth is another one under the wrong label, so that some are always misread. */
function pictures() {
  const n = 60;
  const y = Int32Array.from({ length: n }, (_, i) => i % 2);
  const x = rand([n, 8, 8, 1], { seed: 4 }).dataSync() as Float32Array<ArrayBuffer>;
  for (let i = 0; i < x.length; i++) x[i] = 0.4 * x[i] + ((i % 8 < 4 ? 0 : 1) === y[Math.floor(i / 64)] ? 0.5 : 0);
  for (let i = 9; i < n; i += 10) x.copyWithin(64 * i, 64 * (i - 2), 64 * (i - 1));
  const labels = y.map((k, i) => (i % 10 === 9 ? 1 - k : k));
  return new ArrayDataset({ x: { data: x, shape: [n, 8, 8, 1], dtype: "f32" }, y: { data: labels, shape: [n], dtype: "i32" } });
}

/** A training under a dashboard; `onBatchEnd` sees it from outside. */
async function train(look: (url: string) => Promise<void>, { epochs = 1000, ...extra }: Callback & { epochs?: number } = {}) {
  setSeed(1);
  const data = pictures();
  const model = nn.sequential(nn.flatten(), nn.linear(64, 8), nn.tanh(), nn.linear(8, 2));
  const optimizer = optim.sgd(model.parameters(), { lr: 0.1 });
  let looking: Promise<void> = Promise.resolve();
  const board = dashboard({
    errors: { data, names: ["left", "right"] },
    onListening: (url) => {
      looking = look(url);
    },
  });
  const slow: Callback = { onBatchEnd: () => new Promise((resolve) => setTimeout(resolve, 2)) };
  const history = await fit(model, data, {
    loss: losses.crossEntropy,
    optimizer,
    epochs,
    batchSize: 10,
    validation: { dev: data },
    metrics: { accuracy: metrics.accuracy },
    callbacks: [slow, extra, board],
  });
  await looking;
  return { history, optimizer, board };
}

it("answers only who knows the token, on this machine, and only what it understands", async () => {
  let address = "";
  await train(
    async (url) => {
      address = url;
      const { origin, searchParams, hostname } = new URL(url);
      const token = searchParams.get("token")!;
      expect(hostname).toBe("127.0.0.1");
      expect(token).toMatch(/^[0-9a-f]{32}$/);
      const status = async (path: string, init?: RequestInit) => (await fetch(`${origin}${path}`, init)).status;
      expect(await status("/")).toBe(403);
      expect(await status(`/?token=${token.slice(1)}0`)).toBe(403);
      expect(await status("/stream")).toBe(403);
      expect(await status("/control?token=", { method: "POST", body: '{"action":"stop"}' })).toBe(403);
      expect(await status(`/?token=${token}`)).toBe(200);
      expect(await status(`/elsewhere?token=${token}`)).toBe(404);
      const control = (body: string) => status(`/control?token=${token}`, { method: "POST", body });
      for (const wrong of [
        "",
        "{}",
        '{"action":"plough"}',
        '{"action":"rate"}',
        '{"action":"rate","value":-1}',
        '{"action":"scale","value":"2"}',
      ])
        expect(await control(wrong), wrong).toBe(400);
      expect(await control('{"action":"rate","value":0.025}')).toBe(204);
      expect(await control('{"action":"scale","value":2}')).toBe(204);
      expect(await control('{"action":"stop"}')).toBe(204);
    },
    { onTrainEnd: () => {} },
  ).then(({ history, optimizer, board }) => {
    expect(history.epochs.length).toBeLessThan(1000);
    expect(optimizer.lr).toBeCloseTo(0.05, 12);
    expect(board.changes.map(({ action }) => action)).toEqual(["rate", "scale", "stop"]);
  });
  await expect(fetch(address)).rejects.toThrow(); // it ends with the training
});

it.runIf(hasBrowser)("shows curves, speed, memory, weights and errors in a browser, whose buttons steer", async () => {
  let steps = 0;
  const look = async (url: string) => {
    const browser = await Browser.open(url, 400, 800);
    try {
      const press = (action: string) => browser.evaluate(`document.querySelector('[data-action="${action}"]').click()`);
      await browser.until(
        `document.querySelectorAll("#errors image").length > 0 && document.querySelectorAll("#weights rect").length > 30`,
      );
      await press("pause");
      await browser.until(`document.querySelector("#now").textContent.includes("paused")`);
      const paused = steps;
      await new Promise((resolve) => setTimeout(resolve, 200));
      expect(steps).toBe(paused);
      await browser.evaluate(`document.querySelector("input").value = "0.3"; document.querySelector("form").requestSubmit()`);
      await browser.until(`/rate0\\.3\\D/.test(document.querySelector("#now").textContent)`);
      if (process.env.NABLA_PICTURES) {
        mkdirSync(process.env.NABLA_PICTURES, { recursive: true });
        writeFileSync(`${process.env.NABLA_PICTURES}/dashboard.png`, await browser.screenshot());
      }
      const parts = ["now", "curves", "steps", "machine", "weights", "errors"]
        .map((id) => `document.querySelector("#${id}").innerHTML`)
        .join("+");
      const html = String(await browser.evaluate(parts));
      for (const text of ["accuracy", "samples a second", "memory, MB", "3.weight", "read as", "dev"]) expect(html).toContain(text);
      expect(html).not.toMatch(/NaN|undefined/);
      expect(await browser.evaluate("document.documentElement.scrollWidth <= innerWidth")).toBe(true); // it fits a phone
      await press("resume");
      await browser.until(`document.querySelector("#now").textContent.includes("running")`);
      await expect.poll(() => steps, { timeout: 20000 }).toBeGreaterThan(paused);
      await press("stop");
      await browser.until(`document.body.classList.contains("ended")`);
    } finally {
      await browser.close();
    }
  };
  const { history, optimizer } = await train(look, { onBatchEnd: () => void steps++ });
  expect(history.epochs.length).toBeLessThan(1000);
  expect(optimizer.lr).toBeCloseTo(0.3, 12);
});
