// Requests to the service: with a token, with problem documents as errors, each with the curl command
// that does the same.

/** The longest that a token is used, in milliseconds. A socket ends with the token that it began with. */
const TOKEN_AGE = 30 * 60_000;

/** What went wrong, as the service's problem document says it. */
export class Problem extends Error {
  constructor(status, { title, detail, code, errors = [], request_id: requestId }) {
    super(detail);
    Object.assign(this, { status, title: title ?? `The answer was ${status}`, code, errors, requestId });
  }
}

let session = { tenant: '', stop: new AbortController() };
/** What is called when only the reader of the page can say a token, and with each new curl command. */
const listeners = { tokenNeeded() {}, curl() {} };

export const listen = (handlers) => Object.assign(listeners, handlers);

/** Speaks for another tenant or user from now on. Whatever is under way for the one before is never answered. */
export function enter(tenant, user, { token: pasted, socketUrl: told } = {}) {
  session.stop.abort();
  session = { tenant, user, pasted, told, stop: new AbortController() };
}

async function request(path, options) {
  const { signal } = session.stop;
  try {
    const response = await fetch(path, { ...options, signal, cache: 'no-store' });
    const text = await response.text();
    return { response, text };
  } catch {
    if (signal.aborted) return new Promise(() => {});
    const detail = 'It may be stopped, or the network down.';
    throw new Problem(0, { title: 'The service does not answer', detail, code: 'unreachable' });
  }
}

function parsed(text) {
  try { return JSON.parse(text); } catch { return undefined; }
}

function needToken(reason) {
  listeners.tokenNeeded(reason);
  return new Problem(401, { title: 'Nothing to see without a token', detail: reason, code: 'token_needed' });
}

/** A token of the development server. Elsewhere there is none to have, and somebody must paste one. */
async function issue() {
  const body = JSON.stringify({ tenant: session.tenant, user: session.user });
  const headers = { 'Content-Type': 'application/json' };
  const { response, text } = await request('/_local/token', { method: 'POST', headers, body });
  if (response.status === 404) throw needToken('This service does not hand out tokens.');
  if (!response.ok) throw new Problem(response.status, parsed(text) ?? {});
  return parsed(text).token;
}

function token() {
  if (session.pasted) return session.pasted;
  if (!session.token || Date.now() - session.issuedAt > TOKEN_AGE) {
    session.issuedAt = Date.now();
    session.token = issue();
    // A failure is not kept: the next request tries again.
    session.token.catch(() => { session.token = undefined; });
  }
  return session.token;
}

/** The user that the token speaks for, if it can be read here. */
export async function whoAmI() {
  try {
    const [, claims] = (await token()).split('.');
    const letters = atob(claims.replaceAll('-', '+').replaceAll('_', '/'));
    const bytes = Uint8Array.from(letters, (letter) => letter.codePointAt(0));
    return JSON.parse(new TextDecoder().decode(bytes)).sub;
  } catch {
    return undefined;
  }
}

/** A text as a word of the shell. */
export const quote = (text) => `'${text.replaceAll("'", "'\\''")}'`;

/** The command of a request. `body` is a document, or a text that says where curl finds one. */
function curl(method, path, headers, body) {
  const pretty = typeof body === 'object'
    ? JSON.stringify(body, null, JSON.stringify(body).length > 60 ? 2 : 0) : body;
  return [
    `curl -i ${method === 'GET' ? '' : `-X ${method} `}"$URL${path}"`,
    '-H "Authorization: Bearer $TOKEN"',
    ...Object.entries(headers).map((header) => `-H ${quote(header.join(': '))}`),
    body && `-d ${quote(pretty)}`,
  ].filter(Boolean).join(' \\\n  ');
}

/**
 * Sends a request and gives what the answer holds. `isAction` marks what somebody asked for, in
 * contrast to what the page reads by itself: its curl command is shown. `told(make)` says what is shown instead;
 * `make(body)` is the command with this body, or with what is sent. What is sent again with the same `key` is done
 * once.
 */
export async function call(method, path, { body, type = 'application/json', rev, key, isAction = false,
  told = (make) => make() } = {}) {
  const headers = {};
  if (body) headers['Content-Type'] = type;
  if (rev) headers['If-Match'] = `"${rev}"`;
  if (key) headers['Idempotency-Key'] = key;
  const make = (said = body) => curl(method, path, headers, said);
  if (isAction) listeners.curl(`${method} ${path}`, told(make));
  const send = async () => request(path, {
    method, body: body && JSON.stringify(body), headers: { ...headers, Authorization: `Bearer ${await token()}` },
  });
  let { response, text } = await send();
  if (response.status === 401 && session.pasted) throw needToken('The token was refused: it may have expired.');
  if (response.status === 401) {
    session.token = undefined;
    ({ response, text } = await send());
  }
  const value = parsed(text);
  if (!response.ok) throw new Problem(response.status, value ?? {});
  return value;
}

/** A URL of this machine, which has several names: the page may reach only the one that it came from. */
function reachable(address) {
  const url = new URL(address);
  const isHere = (name) => ['localhost', '127.0.0.1', '[::1]'].includes(name);
  if (isHere(url.hostname) && isHere(location.hostname) && url.port === location.port) url.host = location.host;
  return String(url);
}

/** What S3 says in XML, as a problem. */
function refusedFile({ status, responseText }) {
  const answer = new DOMParser().parseFromString(responseText, 'text/xml');
  const said = (name) => answer.querySelector(name)?.textContent;
  return new Problem(status, { title: `The file was not taken: ${said('Code') ?? status}`,
    detail: said('Message') ?? 'Try again.', code: 'file_refused' });
}

/**
 * Sends a file to where a form leads, and gives the curl command that does the same; it is shown after those
 * `before`. `onProgress(share)` hears how much is sent. Ended by `signal`, it is a problem, too.
 */
export function sendFile({ url, fields }, file, { before, signal, onProgress }) {
  const form = new FormData();
  for (const field of Object.entries(fields)) form.append(...field);
  form.append('file', file);
  const words = Object.entries(fields).map(([name, value]) => `-F ${quote(`${name}=${value}`)}`);
  const name = /^[\w.-]+$/.test(file.name) ? file.name : JSON.stringify(file.name);
  const command = [`curl -i ${quote(url)}`, ...words, `-F ${quote(`file=@${name}`)}`].join(' \\\n  ');
  const commands = [...before, command].join('\n\n');
  listeners.curl('POST the file', commands);
  const { signal: left } = session.stop;
  // `fetch` does not tell how much is sent.
  const request = new XMLHttpRequest();
  return new Promise((resolve, reject) => {
    const broken = (title, detail, kind) => () => reject(new Problem(0, { title, detail, code: kind }));
    request.upload.addEventListener('progress', (event) => onProgress(event.loaded / Math.max(event.total, 1)));
    request.addEventListener('load', () => {
      if (request.status >= 200 && request.status < 300) resolve(commands);
      else reject(refusedFile(request));
    });
    request.addEventListener('error', broken('The file could not be sent',
      'The network may be down, or where it goes does not admit this page.', 'unreachable'));
    request.addEventListener('abort', () => {
      // Whoever asked for it before has left.
      if (!left.aborted) broken('The file was not sent', 'It was stopped.', 'stopped')();
    });
    for (const one of [signal, left]) one.addEventListener('abort', () => request.abort());
    request.open('POST', reachable(url));
    request.send(form);
    if (signal.aborted) request.abort();
  });
}

/** Where the socket is; nothing if neither the service nor the reader tells. */
export async function socketUrl() {
  if (session.pasted) return session.told;
  const { response, text } = await request('/_local', {});
  const address = response.ok && parsed(text)?.ws_url;
  return address ? reachable(address) : undefined;
}
