"""The shader programs: lit surfaces, shadows of vehicles on the road, depth only, and object ids."""

LIT_VERTEX = """#version 330
uniform mat4 view, model, sunview;
in vec3 p, n; in vec2 uv; in vec4 col; in float body;
out vec3 wp, wn; out vec2 tuv; out vec4 c; out vec4 sp; out float bd;
void main() {
  vec4 w = model * vec4(p, 1); wp = w.xyz; wn = mat3(model) * n; tuv = uv; c = col; bd = body;
  sp = sunview * w; gl_Position = view * w;
}"""

# kind: 1 asphalt, 2 concrete or paint. body: 1 tinted in the vehicle's colour, 2 only where the texture is blue (panels of the scooter).
LIT_FRAGMENT = """#version 330
uniform sampler2D tex; uniform sampler2DShadow still_shadow, moving_shadow;
uniform vec3 eye, sun, tint, suncol, ambient; uniform float use_tex, rough, kind, glow, texel;
in vec3 wp, wn; in vec2 tuv; in vec4 c; in vec4 sp; in float bd; out vec4 o;
float hash(vec2 p) { return fract(sin(dot(p, vec2(127.1, 311.7))) * 43758.5453); }
float noise(vec2 p) {
  vec2 i = floor(p), f = fract(p); f = f * f * (3 - 2 * f);
  return mix(mix(hash(i), hash(i + vec2(1, 0)), f.x), mix(hash(i + vec2(0, 1)), hash(i + vec2(1, 1)), f.x), f.y);
}
vec3 sky(vec3 d) {
  return mix(vec3(.80, .85, .90), vec3(.28, .45, .78), pow(clamp(d.z, 0, 1), .6)) * (d.z < 0. ? .35 : 1.);
}
float lit(sampler2DShadow map, vec3 q) {
  if (q.x < 0. || q.x > 1. || q.y < 0. || q.y > 1.) return 1.;
  float s = 0.;
  for (int i = -1; i <= 1; i += 2) for (int j = -1; j <= 1; j += 2) s += texture(map, vec3(q.xy + vec2(i, j) * texel, q.z - .0012));
  return s / 4.;
}
void main() {
  vec4 a = c;
  if (use_tex > .5) { vec4 t = texture(tex, tuv); a = vec4(pow(t.rgb, vec3(2.2)), t.a * c.a); }
  if (a.a < .25) discard;
  if (bd > 1.5) { if (a.b > a.r * 1.25 + .01) a.rgb = vec3(dot(a.rgb, vec3(.3, .3, .4)) * 2.6) * pow(tint, vec3(1.6)); }
  else if (bd > .5) a.rgb *= pow(tint, vec3(1.6));
  if (kind > .5 && kind < 1.5)
    a.rgb *= .72 * (.55 + .25 * noise(wp.xy * .25) + .25 * noise(wp.xy * 1.7) + .35 * noise(wp.xy * 22.) + .3 * noise(wp.xy * 60.));
  if (kind > 1.5) a.rgb *= .72 + .3 * noise(wp.xy * 3.) + .12 * noise(wp.xy * 18.);
  vec3 N = normalize(wn), V = normalize(eye - wp); if (dot(N, V) < 0.) N = -N;
  vec3 q = sp.xyz / sp.w * .5 + .5;
  float s = min(lit(still_shadow, q), lit(moving_shadow, q));
  vec3 L = suncol * max(dot(N, sun), 0.) * s + ambient * (.55 + .45 * N.z) + vec3(.10, .095, .085) * max(-N.z, 0.);
  vec3 R = reflect(-V, N), H = normalize(V + sun);
  float F = mix(.04, .9, pow(1. - max(dot(N, V), 0.), 5.)), gloss = 1. - rough;
  vec3 col = a.rgb * L + sky(R) * F * gloss * (.4 + .6 * s) + suncol * s * pow(max(dot(N, H), 0.), mix(8., 220., gloss)) * gloss * .8;
  col += a.rgb * glow;
  col = mix(col, vec3(.72, .78, .84), 1. - exp(-length(eye - wp) * .0011));
  col = col * 1.05 / (1. + col * .30);
  o = vec4(pow(col, vec3(1. / 2.2)), 1);
}"""

PLAIN_VERTEX = """#version 330
uniform mat4 view, model; in vec3 p; void main() { gl_Position = view * model * vec4(p, 1); }"""
DEPTH_FRAGMENT = "#version 330\nvoid main() {}"
IDENTITY_FRAGMENT = "#version 330\nuniform int id; out int o; void main() { o = id; }"

# Darkens the rendered road in the shadows of vehicles, so that the static scenery is rendered only once.
SHADE_VERTEX = """#version 330
uniform mat4 view, sunview; in vec3 p; out vec4 sp;
void main() { sp = sunview * vec4(p, 1); gl_Position = view * vec4(p, 1); }"""
SHADE_FRAGMENT = """#version 330
uniform sampler2DShadow still_shadow, moving_shadow; uniform float texel; in vec4 sp; out vec4 o;
void main() {
  vec3 q = sp.xyz / sp.w * .5 + .5;
  if (q.x < 0. || q.x > 1. || q.y < 0. || q.y > 1.) discard;
  float s = 0.;
  for (int i = -1; i <= 1; i++) for (int j = -1; j <= 1; j++) s += texture(moving_shadow, vec3(q.xy + vec2(i, j) * texel, q.z - .0008));
  float dark = (1. - s / 9.) * texture(still_shadow, vec3(q.xy, q.z - .0012));
  if (dark < .01) discard;
  o = vec4(0, 0, .01, .52 * dark);
}"""
