/** `nabla/plot`: pictures of training as SVG and PNG. */

export { type GraphEdge, type GraphNode, graph } from "./graph.js";
export { type HeatMap, heatMap } from "./heat-map.js";
export { type Histogram, type HistogramRow, histograms } from "./histograms.js";
export { type Captioned, imageGrid } from "./image-grid.js";
export { type Line, lineChart, type Panel } from "./line-chart.js";
export { encodePng, type Picture } from "./png.js";
export { type ScatterOptions, scatter } from "./scatter.js";
export { escape as escapeText } from "./svg.js";
