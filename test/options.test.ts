/** Options that functions do not have are refused: every public function that takes an options object stands in the table. */
import * as ops from "nabla";
import {
  ArrayDataset,
  cacheActivations,
  calibrate,
  checkpoint,
  DataLoader,
  data,
  debug,
  earlyStopping,
  ensemble,
  evaluate,
  fit,
  kFold,
  losses,
  lrFinder,
  metrics,
  mirrored,
  multiView,
  nn,
  optim,
  overfitOneBatch,
  plot,
  predict,
  progress,
  reduceOnPlateau,
  report,
  samplers,
  split,
  splitSources,
  synthesis,
  tensor,
  tune,
  ValueError,
  type Variable,
  variable,
} from "nabla";
import * as augment from "nabla/augment";
import * as diagnose from "nabla/diagnose";
import * as models from "nabla/models";
import { describe, expect, it } from "vitest";
import { checkOptions } from "../lib/base/options.js";

describe("a misspelt option", () => {
  const names = ["kernel", "stride", "labelSmoothing", "weightDecay", "lr", "axis", "epochs", "p"];
  it.each([
    ["strid", "stride"],
    ["Stride", "stride"],
    ["weight_decay", "weightDecay"],
    ["weigthDecay", "weightDecay"],
    ["axes", "axis"],
    ["epoch", "epochs"],
    ["smoothing", "labelSmoothing"],
    ["kernelSize", "kernel"],
    ["learningRate", "lr"],
    ["learning_rate", "lr"],
    ["bias", undefined],
    ["q", undefined],
  ])("%s: did you mean %s?", (name, meant) => {
    const mend = meant === undefined ? "there are" : `did you mean ${meant}? There are`;
    const expected = {
      message: `f: there is no option ${name}; ${mend} ${names.join(", ")}`,
      op: "f",
      inputs: [name, 1],
      code: "ERR_VALUE",
    };
    expect(() => checkOptions("f", { stride: 2, [name]: 1 }, names)).toThrow(expect.objectContaining(expected));
  });

  it("counts as not given if it is undefined", () => checkOptions("f", { strid: undefined }, names));

  it.each([
    [0.2, "the number 0.2"],
    [null, "null"],
    [[1], "an Array"],
    [variable(0), "a Variable"],
  ])("%s is no options object", (given, shown) => {
    expect(() => checkOptions("f", given as object, ["p"])).toThrow(`f: expected options { p } but received ${shown}`);
  });
});

const rows = [[0.5, 0.5]];
const x = tensor([1, 2]);
const zeros = (rank: number) => ops.zeros(new Array(rank).fill(1));
const { schedule } = optim;
const w = (): Variable[] => [variable([1, 2])];

const column = { data: Float32Array.of(1, 2), shape: [2, 1], dtype: "f32" } as const;
const pairs = () => new ArrayDataset({ x: column, y: column });

/** Calls with options, by the name that messages give. */
const calls: Readonly<Record<string, (options: never) => unknown>> = {
  ...{ conv1d: (o) => nn.conv1d(1, 1, o), conv2d: (o) => nn.conv2d(1, 1, o), conv3d: (o) => nn.conv3d(1, 1, o) },
  ...{ convTranspose1d: (o) => nn.convTranspose1d(1, 1, o), convTranspose2d: (o) => nn.convTranspose2d(1, 1, o) },
  ...{ depthwiseConv2d: (o) => nn.depthwiseConv2d(1, o), separableConv2d: (o) => nn.separableConv2d(1, 1, o) },
  ...{ linear: (o) => nn.linear(1, 1, o), bilinear: (o) => nn.bilinear(1, 1, 1, o), embedding: (o) => nn.embedding(1, 1, o) },
  ...{ maxPool1d: (o) => nn.maxPool1d(1, o), avgPool2d: (o) => nn.avgPool2d(1, o), lpPool2d: (o) => nn.lpPool2d(1, 1, o) },
  ...{ batchNorm: (o) => nn.batchNorm(1, o), layerNorm: (o) => nn.layerNorm(1, o), rmsNorm: (o) => nn.rmsNorm(1, o) },
  ...{ groupNorm: (o) => nn.groupNorm(1, 1, o), instanceNorm: (o) => nn.instanceNorm(1, o) },
  ...{ localResponseNorm: (o) => nn.localResponseNorm(1, o), upsample: (o) => nn.upsample(o), pad: (o) => nn.pad(1, o) },
  ...{ squeezeExcitation: (o) => nn.squeezeExcitation(1, 1, o), layerScale: (o) => nn.layerScale(1, o) },
  ...{ stochasticDepth: (o) => nn.stochasticDepth(0, o), prelu: (o) => nn.prelu(1, o), gelu: nn.gelu },
  ...{ leakyRelu: nn.leakyRelu, elu: nn.elu, celu: nn.celu, softplus: nn.softplus, hardTanh: nn.hardTanh },
  ...{ softmax: nn.softmax, logSoftmax: nn.logSoftmax, softmin: nn.softmin, glu: nn.glu },
  multiHeadAttention: (o) => nn.multiHeadAttention(1, o),
  ...{ normalize: (o) => nn.normalize(1, o), impute: (o) => nn.impute(1, o) },
  ...{ "normalize.fit": (o) => nn.normalize.fit(pairs(), o), "impute.fit": (o) => nn.impute.fit(pairs(), o) },
  ...{
    summary: (o) => nn.relu().summary([1], o),
    loadStateDict: (o) => nn.relu().loadStateDict({}, o),
    load: (o) => nn.relu().load("", o),
  },
  ...{ uniform: nn.init.uniform, normal: nn.init.normal, truncatedNormal: nn.init.truncatedNormal, identity: nn.init.identity },
  ...{ xavierUniform: nn.init.xavierUniform, xavierNormal: nn.init.xavierNormal, orthogonal: nn.init.orthogonal },
  ...{ heUniform: nn.init.heUniform, heNormal: nn.init.heNormal },
  ...{ sgd: (o) => optim.sgd(w(), o), adam: (o) => optim.adam(w(), o), ema: (o) => optim.ema(w(), o) },
  "sgd.minimize": (o) => optim.sgd(w(), { lr: 1 }).minimize(tensor(1), o),
  ...{ "schedule.inverseTime": schedule.inverseTime, "schedule.exponential": schedule.exponential, "schedule.cosine": schedule.cosine },
  ...{ "schedule.inverseSqrt": schedule.inverseSqrt, "schedule.staircase": schedule.staircase, "schedule.linear": schedule.linear },
  ...{ "schedule.polynomial": schedule.polynomial, "schedule.cosineRestarts": schedule.cosineRestarts },
  ...{ "schedule.warmupCosine": schedule.warmupCosine, "schedule.oneCycle": schedule.oneCycle },
  ...{ crossEntropy: (o) => losses.crossEntropy(rows, [0], o), nll: (o) => losses.nll(rows, [0], o) },
  ...{ focal: (o) => losses.focal(rows, [0], o), klDivergence: (o) => losses.klDivergence(rows, rows, o) },
  ...{ mse: (o) => losses.mse(1, 1, o), huber: (o) => losses.huber(1, 1, o), bce: (o) => losses.bce(1, 1, o) },
  ...{ gaussianNll: (o) => losses.gaussianNll(1, 1, 1, o), cosineEmbedding: (o) => losses.cosineEmbedding(rows, rows, [1], o) },
  ...{ tripletMargin: (o) => losses.tripletMargin(rows, rows, rows, o), marginRanking: (o) => losses.marginRanking(1, 1, 1, o) },
  ...{ accuracy: (o) => metrics.accuracy(rows, [0], o), errorRate: (o) => metrics.errorRate(rows, [0], o) },
  ...{ topKAccuracy: (o) => metrics.topKAccuracy(rows, [0], 1, o), binaryAccuracy: (o) => metrics.binaryAccuracy([1], [1], o) },
  ...{ operatingPoint: (o) => metrics.operatingPoint([1, 0], [1, 0], o), calibration: (o) => metrics.calibration([1], [1], o) },
  ...{ detectionRates: (o) => metrics.detectionRates([1], [1], o), select: (o) => metrics.select([{ a: 1 }], o) },
  ...{ classScores: (o) => metrics.classScores([1], [1], o), precision: (o) => metrics.precision([1], [1], o) },
  ...{ fScore: (o) => metrics.fScore([1], [1], o), streamedClasses: (o) => metrics.streamedClasses(2, o) },
  ...{ sum: (o) => ops.sum(x, o), mean: (o) => ops.mean(x, o), max: (o) => ops.max(x, o), variance: (o) => ops.variance(x, o) },
  ...{ moments: (o) => ops.moments(x, o), logSumExp: (o) => ops.logSumExp(x, o), standardize: (o) => ops.standardize(x, 0, 1, o) },
  ...{ concat: (o) => ops.concat([x], o), stack: (o) => ops.stack([x], o), oneHot: (o) => ops.oneHot([0], 1, o) },
  ...{ zeros: (o) => ops.zeros([1], o), full: (o) => ops.full([1], 1, o), rand: (o) => ops.rand([1], o), eye: (o) => ops.eye(1, o) },
  ...{ arange: (o) => ops.arange(1, 2, 1, o), tensor: (o) => tensor(1, o), variable: (o) => variable(1, o) },
  ...{ dropout: (o) => ops.dropout(x, 0, o), channelDropout: (o) => ops.channelDropout(x, 0, o) },
  ...{ alphaDropout: (o) => ops.alphaDropout(x, 0, o), grad: (o) => ops.grad((a) => a.sum(), o) },
  ...{ valueAndGrad: (o) => ops.valueAndGrad((a) => a.sum(), o), scan: (o) => ops.scan((carry) => ({ carry }), [x], [x], o) },
  ...{ "conv1d op": (o) => ops.conv1d(zeros(3), zeros(3), o), "conv2d op": (o) => ops.conv2d(zeros(4), zeros(4), o) },
  ...{ "conv3d op": (o) => ops.conv3d(zeros(5), zeros(5), o), "convTranspose2d op": (o) => ops.convTranspose2d(zeros(4), zeros(4), o) },
  ...{ "maxPool1d op": (o) => ops.maxPool1d(zeros(3), 1, o), "avgPool1d op": (o) => ops.avgPool1d(zeros(3), 1, o) },
  ...{ "maxPool2d op": (o) => ops.maxPool2d(zeros(4), 1, o), "avgPool2d op": (o) => ops.avgPool2d(zeros(4), 1, o) },
  ...{ "maxPool3d op": (o) => ops.maxPool3d(zeros(5), 1, o), "avgPool3d op": (o) => ops.avgPool3d(zeros(5), 1, o) },
  ...{ "layerNorm op": (o) => ops.layerNorm(x, [2], o), "rmsNorm op": (o) => ops.rmsNorm(x, [2], o), "pad op": (o) => ops.pad(x, [], o) },
  ...{ "gelu op": (o) => ops.gelu(x, o), "stochasticDepth op": (o) => ops.stochasticDepth(x, 0, o) },
  ...{ fit: (o) => fit(nn.relu(), pairs(), o), evaluate: (o) => evaluate(nn.relu(), pairs(), o), progress },
  ...{ predict: (o) => predict(nn.relu(), pairs(), o), calibrate: (o) => calibrate(nn.relu(), pairs(), o) },
  ...{ cacheActivations: (o) => cacheActivations(nn.relu(), pairs(), o), checkpoint: (o) => checkpoint("", o) },
  ...{ earlyStopping, reduceOnPlateau, ensemble: (o) => ensemble([nn.relu()], o), multiView: (o) => multiView(nn.relu(), mirrored, o) },
  ...{ overfitOneBatch: (o) => overfitOneBatch(nn.relu(), pairs().get([0]), o), lrFinder: (o) => lrFinder(nn.relu(), pairs(), o) },
  ...{ DataLoader: (o) => new DataLoader(pairs(), o), random: (o) => samplers.random(1, o), weighted: (o) => samplers.weighted([1], o) },
  ...{ stratified: (o) => samplers.stratified([1], o), kFold: (o) => kFold(pairs(), 2, o), split: (o) => split(pairs(), [0.5, 0.5], o) },
  ...{ splitSources: (o) => splitSources({ a: pairs() }, { train: { a: 1 } }, o), imageFolder: (o) => data.imageFolder("", o) },
  ...{
    csv: (o) => data.csv("", o),
    jsonLines: (o) => data.jsonLines("", o),
    parquet: (o) => data.parquet("", o),
    arrow: (o) => data.arrow("", o),
  },
  ...{
    features: (o) => data.csv("").features(o),
    collate: (o) => data.collate([{ x: 1 }], o),
    fromExamples: (o) => data.fromExamples([{ x: 1 }], o),
  },
  lenet5: models.lenet5,
  compoundScaling: (o) => models.compoundScaling(1, o),
  ...{ augment: (o) => augment.augment([], o), randAugment: augment.randAugment, grey: augment.grey, pcaColor: augment.pcaColor },
  ...{ blur: augment.blur, mirror: augment.mirror, perspective: augment.perspective, localWarp: augment.localWarp },
  ...{ randomCrop: (o) => augment.randomCrop(1, o), resizedCrop: (o) => augment.resizedCrop(1, o), cutmix: augment.cutmix },
  colorJitter: augment.colorJitter,
  ...{ checkGradients: (o) => debug.checkGradients(nn.relu(), 1, o), lossLine: (o) => debug.lossLine(() => x, w(), o) },
  ...{ lossPlane: (o) => debug.lossPlane(() => x, w(), o), panda: tune.panda, integer: (o) => tune.integer(1, 2, o) },
  ...{ search: (o) => tune.search(o), tensorBoard: (o) => ops.tensorBoard("", o), dashboard: ops.dashboard },
  ...{ diagnose: (o) => diagnose.diagnose({ train: 1, dev: 1 }, o), ErrorAnalysis: (o) => diagnose.ErrorAnalysis.sample([0], [1], o) },
  ...{ learningCurve: (o) => diagnose.learningCurve({}, o), findLabelErrors: (o) => diagnose.findLabelErrors(column, [1, 1], o) },
  ...{ scatter: (o) => plot.scatter({}, o), lineChart: (o) => plot.lineChart([], o), histograms: (o) => plot.histograms([], [], o) },
  ...{ graph: (o) => plot.graph([], [], o), imageGrid: (o) => plot.imageGrid([], o), page: (o) => report.page("", [], o) },
  ...{ mixAtSnr: (o) => synthesis.mixAtSnr([1], [1], o), NoiseMixer: (o) => new synthesis.NoiseMixer({}, o) },
};

describe.each(Object.entries(calls))("%s", (name, call) => {
  it("refuses unknown options by its name", async () => {
    await expect((async () => call({ unheardOf: 1 } as never))()).rejects.toThrow(`${name.split(" ")[0]}: there is no option unheardOf; `);
    await expect((async () => call(true as never))()).rejects.toBeInstanceOf(ValueError);
  });
});
