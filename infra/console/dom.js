// What every panel makes its elements with.

export const byId = (id) => document.getElementById(id);

/** Makes an element. Strings become text nodes: nothing that was read is ever taken for HTML. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') element.addEventListener(name, value);
    else if (value !== false && value != null) element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child != null && child !== false));
  return element;
}

export const code = (text, name) => h('code', { class: name }, text);
export const button = (inside, click, more = {}) => h('button', { type: 'button', click, ...more }, inside);
/** The shape of what is to come. */
export const bones = () => h('div', { class: 'bones', 'aria-hidden': 'true' }, h('i'), h('i'), h('i'), h('i'));

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const day = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' });

/** A point in time: today's by the clock, an earlier one with its day. */
export function time(text) {
  const date = new Date(text);
  const isToday = date.toDateString() === new Date().toDateString();
  const shown = isToday ? clock.format(date) : `${day.format(date)}, ${clock.format(date)}`;
  return h('time', { datetime: text, title: date.toLocaleString() }, shown);
}

/** A number of bytes, as a person reads it. */
export function size(bytes) {
  if (bytes < 1024) return `${bytes.toLocaleString()} ${bytes === 1 ? 'byte' : 'bytes'}`;
  const [number, unit] = bytes < 1024 ** 2 ? [bytes / 1024, 'KiB'] : [bytes / 1024 ** 2, 'MiB'];
  return `${number.toLocaleString(undefined, { maximumFractionDigits: 1 })} ${unit}`;
}

/** Why a panel has nothing to show, and a button if trying again may help. */
export function failure(problem, again) {
  if (problem.code === 'token_needed') return h('p', { class: 'state' }, `${problem.title}.`);
  const request = problem.requestId && h('p', { class: 'dim' }, 'Request ', code(problem.requestId));
  return h('div', { class: 'state', role: 'alert' }, h('p', {}, h('strong', {}, problem.title)),
    h('p', {}, problem.message), request, again && h('p', {}, button('Try again', again)));
}

let saidBefore;

/** Tells what was done, or what happened, to the eye and to a screen reader. */
export function say(text) {
  clearTimeout(saidBefore);
  byId('said').textContent = text;
  saidBefore = setTimeout(() => { byId('said').textContent = ''; }, 6000);
}

/** The arrow keys, Home and End go through the buttons of a list. */
export function walk(event) {
  const stops = [...event.currentTarget.querySelectorAll('button')];
  const at = stops.indexOf(document.activeElement);
  const next = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: stops.length - 1 }[event.key];
  if (at < 0 || !stops[next]) return;
  event.preventDefault();
  stops[next].focus();
}
