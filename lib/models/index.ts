/** `nabla/models`: the architectures of the papers, each a short file that looks like its table. */
export { type AlexNetOptions, alexnet } from "./alexnet.js";
export { type DenseNetOptions, densenet121 } from "./densenet.js";
export { type GoogLeNetOptions, googlenet } from "./googlenet.js";
export { type InceptionV3Options, inceptionV3 } from "./inception.js";
export { lenet5 } from "./lenet.js";
export { type MobileNetOptions, mobilenetV1, mobilenetV2 } from "./mobilenet.js";
export { type NetworkInNetworkOptions, networkInNetwork } from "./nin.js";
export type { ModelOptions, Named, WithAuxiliary } from "./parts.js";
export { cifarResnet, resnet18, resnet34, resnet50, resnet101, resnet152 } from "./resnet.js";
export { fromTorchvision, torchvisionName } from "./torchvision.js";
export { type VggOptions, vgg11, vgg13, vgg16, vgg19 } from "./vgg.js";
