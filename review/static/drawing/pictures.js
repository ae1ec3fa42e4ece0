// The picture to draw on: one of the footage, one taken now, or a file of this computer, which is not sent anywhere.
export class Pictures {
  constructor(server, viewport, size, texts, say) {
    Object.assign(this, { server, viewport, size, texts, say });
    this.rows = []; this.at = 0; this.key = "";
    this.position = document.getElementById("picture-position");
    document.getElementById("picture-back").addEventListener("click", () => this.step(-1));
    document.getElementById("picture-on").addEventListener("click", () => this.step(1));
    this.now = document.getElementById("picture-now");
    this.now.addEventListener("click", () => this.take());
    const file = document.getElementById("picture-file");
    document.getElementById("picture-open").addEventListener("click", () => file.click());
    file.addEventListener("change", () => this.open(file.files[0]));
    this.poll();
  }
  async poll() {
    const listed = await this.server.get(`${this.server.address}/pictures`);
    this.update(listed);
    if (listed.pending || listed.status === 0) setTimeout(() => this.poll(), 1000);
  }
  update(listed) {
    if (listed.problem) this.say(listed.problem, "alert");
    if (!listed.pictures) return;
    const first = !this.rows.length && listed.pictures.length;
    this.rows = listed.pictures;
    this.now.hidden = !listed.live;
    if (first) this.show(0);
    this.label();
  }
  label() { this.position.textContent = this.rows.length && this.key ? `${this.at + 1}/${this.rows.length} · ${this.rows[this.at].when}` : this.opened || ""; }
  step(by) { if (this.rows.length) this.show((this.at + by + this.rows.length) % this.rows.length); }
  async show(at) {
    this.at = at; this.key = this.rows[at].key; this.opened = "";
    this.label();
    await this.load(this.rows[at].address);
    document.dispatchEvent(new Event("draw-scene"));
  }
  async load(address) {
    const image = new Image();
    image.src = address;
    try { await image.decode(); } catch { this.say(this.texts.no_picture, "alert"); return; }
    if (image.naturalWidth !== this.size[0] || image.naturalHeight !== this.size[1]) this.say(this.wrongSize(image.naturalWidth, image.naturalHeight), "alert");
    this.viewport.show(image);
  }
  wrongSize(width, height) { return this.texts.wrong_size.replace("{is}", `${width}×${height}`).replace("{expected}", this.size.join("×")); }
  async take() {
    this.now.disabled = true;
    const taken = await this.server.post(`${this.server.address}/pictures`);
    this.now.disabled = false;
    this.update(taken);
    if (taken.pictures?.length) this.show(taken.pictures.length - 1);
  }
  async open(file) {
    if (!file) return;
    let image;
    try { image = await createImageBitmap(file); } catch { this.say(this.texts.no_picture, "alert"); return; }
    if (image.width !== this.size[0] || image.height !== this.size[1]) { this.say(this.wrongSize(image.width, image.height), "alert"); return; }
    this.key = ""; this.opened = file.name;
    this.label();
    this.viewport.show(image);
  }
}
