// Requests to the application: forms with the CSRF token of the page. After signing in again in another window the token is another one.
const TOKEN = /name="csrf" value="([0-9a-f]{64})"/;

// null if the application cannot be reached.
async function reach(path, options) { try { return await fetch(path, options); } catch { return null; } }

export class Server {
  constructor(root, texts) {
    this.address = `/cameras/${root.dataset.camera}`;
    this.token = root.dataset.csrf; this.texts = texts;
  }
  async get(path) { return this.answer(await reach(path, { headers: { Accept: "application/json" } })); }
  // `waitMs`: after so long the application counts as not reachable; without it as long as the browser waits.
  async post(path, fields = {}, waitMs = null) {
    let response = await this.send(path, fields, waitMs);
    if (response?.status === 403 && (await this.renewToken())) response = await this.send(path, fields, waitMs);
    return this.answer(response);
  }
  send(path, fields, waitMs) {
    const signal = waitMs === null ? undefined : AbortSignal.timeout(waitMs);
    return reach(path, { method: "POST", headers: { Accept: "application/json" }, body: new URLSearchParams({ ...fields, csrf: this.token }), signal });
  }
  async renewToken() {
    const page = await reach(this.address, { headers: { Accept: "text/html" } });
    const found = page?.ok && !page.redirected ? TOKEN.exec(await page.text()) : null;
    if (found) this.token = found[1];
    return Boolean(found);
  }
  // {status, ...what the application answered}; `problem` in words if it could not.
  async answer(response) {
    if (!response) return { status: 0, problem: this.texts.unreachable };
    if (response.status === 401) return { status: 401, problem: this.texts.signed_out };
    try { return { ...(await response.json()), status: response.status }; } catch { return { status: response.status, problem: `${this.texts.failed} (${response.status})` }; }
  }
}
