// Points are [x, y] in pixels of the full frame, or metres on the road.
export const distance = (a, b) => Math.hypot(b[0] - a[0], b[1] - a[1]);
export const middle = (a, b) => [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2];
export const rounded = (point) => point.map((value) => Math.round(value * 10) / 10);

// Which side of the line from a to b the point lies on, and how far.
export function across(a, b, point) {
  return ((b[0] - a[0]) * (point[1] - a[1]) - (b[1] - a[1]) * (point[0] - a[0])) / (distance(a, b) || 1);
}

export function centroid(points) {
  return points.reduce((sum, point) => [sum[0] + point[0] / points.length, sum[1] + point[1] / points.length], [0, 0]);
}

// Maps pixels to the road and back, as pipeline/scene/calibration.py and lens.py do.
export class Calibration {
  constructor(assessed, size) {
    this.matrix = assessed.matrix;
    this.inverse = inverted(assessed.matrix);
    this.k1 = assessed.k1; this.k2 = assessed.k2;
    this.centre = [size[0] / 2, size[1] / 2]; this.unit = size[0] / 2;
    this.assessed = assessed;
  }
  ground(px) { return project(this.matrix, this.straightened(px)).point; }
  // null for what is behind the camera.
  pixel(m, side) {
    const { point, scale } = project(this.inverse, m);
    if (side && scale * side <= 0) return null;
    return this.distorted(point);
  }
  side(m) { return project(this.inverse, m).scale; }
  straightened(px) {
    if (!this.k1 && !this.k2) return px;
    const x = px[0] - this.centre[0], y = px[1] - this.centre[1], r = (x * x + y * y) / this.unit ** 2;
    const factor = 1 + r * (this.k1 + r * this.k2);
    return [this.centre[0] + x * factor, this.centre[1] + y * factor];
  }
  distorted(px) {
    const x = px[0] - this.centre[0], y = px[1] - this.centre[1], wanted = Math.hypot(x, y) / this.unit;
    if ((!this.k1 && !this.k2) || !wanted) return px;
    let radius = wanted;
    for (let step = 0; step < 12; step += 1) {
      const r = radius * radius;
      radius -= (radius * (1 + r * (this.k1 + r * this.k2)) - wanted) / Math.max(0.05, 1 + r * (3 * this.k1 + 5 * r * this.k2));
    }
    return [this.centre[0] + (x * radius) / wanted, this.centre[1] + (y * radius) / wanted];
  }
  // The error to expect at a pixel: that of the nearest place where it was estimated; null where the picture shows no road.
  errorAt(px) {
    let best = null, nearest = Infinity;
    for (const each of this.assessed.errors) {
      const away = distance(each.px, px);
      if (away < nearest) { nearest = away; best = each; }
    }
    return best && nearest < this.unit / 4 ? best.error_m : null;
  }
}

function project([a, b, c], [x, y]) {
  const scale = c[0] * x + c[1] * y + c[2];
  return { point: [(a[0] * x + a[1] * y + a[2]) / scale, (b[0] * x + b[1] * y + b[2]) / scale], scale };
}

function inverted([[a, b, c], [d, e, f], [g, h, i]]) {
  return [
    [e * i - f * h, c * h - b * i, b * f - c * e],
    [f * g - d * i, a * i - c * g, c * d - a * f],
    [d * h - e * g, b * g - a * h, a * e - b * d],
  ];
}
