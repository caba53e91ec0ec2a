/** `nabla/models`: the architectures of the papers, each a short file that looks like its table. */
export { type AlexNetOptions, alexnet, alexnet2012 } from "./alexnet.js";
export { type ConvNeXtOptions, convnextTiny } from "./convnext.js";
export { type DenseNetOptions, densenet121 } from "./densenet.js";
export {
  compoundScaling,
  type EfficientNetOptions,
  type EfficientNetScale,
  efficientnet,
  efficientnetB0,
  efficientnetB1,
  efficientnetB2,
  efficientnetB3,
  efficientnetB4,
  efficientnetB5,
  efficientnetB6,
  efficientnetB7,
  efficientnetScales,
} from "./efficientnet.js";
export { type GoogLeNetOptions, googlenet } from "./googlenet.js";
export { type InceptionV3Options, inceptionV3 } from "./inception.js";
export { lenet5 } from "./lenet.js";
export { type MobileNetOptions, mobilenetV1, mobilenetV2 } from "./mobilenet.js";
export { mobilenetV3Large, mobilenetV3Small } from "./mobilenet-v3.js";
export { type NetworkInNetworkOptions, networkInNetwork } from "./nin.js";
export { type ModelOptions, type Named, WithAuxiliary } from "./parts.js";
export { cifarResnet, resnet18, resnet34, resnet50, resnet101, resnet152 } from "./resnet.js";
export { fromTorchvision, torchvisionName } from "./torchvision.js";
export { type VggOptions, vgg11, vgg13, vgg16, vgg19 } from "./vgg.js";
export { VisionTransformer, type VisionTransformerOptions, vitB16 } from "./vit.js";
