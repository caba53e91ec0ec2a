/**
 * Gradient checking: gradients by rules beside differences of the loss, for every weight of a small convolutional network on real digits; and for
 * a network with a gradient that is wrong on purpose, whose place is named.
 */
import { checkGradients, datasets, debug, losses, nn, plot, setSeed, stopGradient, type Tensor, tensor } from "nabla";
import { setting } from "./setting.js";

const { count, draw } = setting("gradient-check", { count: 8 });

const cube = await debug.numericalGradient((theta) => theta.pow(3), 1, { epsilon: 0.01 });
console.log(`slope of θ³ at 1 by a difference of 0.01 on both sides: ${(await cube.item()).toFixed(4)}`);

const { train } = await datasets.mnist();
const { x, y } = await train.get(Array.from({ length: count }, (_, i) => i));
const batch = { x: tensor(x.data, { shape: x.shape }), y: tensor(y.data as Int32Array) };

/** x², as the rules see it ten per cent too steep. */
class WrongSquare extends nn.Module {
  forward(x: Tensor): Tensor {
    const error = x.square().mul(0.1);
    return x.square().add(error).sub(stopGradient(error));
  }
}

const network = (activation: nn.Module) => {
  setSeed(1);
  return nn.sequential(
    nn.conv2d(1, 3, { kernel: 5, stride: 2, bias: false }), // a bias would be taken away again by the next layer
    nn.batchNorm(3),
    activation,
    nn.avgPool2d(4),
    nn.flatten(),
    nn.linear(27, 10),
  );
};
const shares: plot.Line[] = [];
const verdicts: string[] = [];
for (const [name, model] of Object.entries({ sound: network(nn.tanh()), wrong: network(new WrongSquare()) })) {
  const check = await checkGradients(model, batch, { loss: (b) => losses.crossEntropy(model.forward(b.x), b.y) });
  console.log(`${name}: ${check.verdict}, relative error ${check.relativeError.toExponential(1)}, the worst is ${check.worst}`);
  for (const [parameter, error] of Object.entries(check.parameters)) console.log(`  ${parameter.padEnd(9)} ${error.toExponential(1)}`);
  shares.push({ name, values: Object.values(check.parameters).map(Math.log10) });
  verdicts.push(`${name} ${check.verdict}`);
}
await draw("errors.svg", plot.lineChart([{ title: "log₁₀ of the relative error", lines: shares }], { xLabel: "parameter" }));
console.log(verdicts.join(", "));
