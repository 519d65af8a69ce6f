// The form's fields: each shows what stands at a pointer of the agent's document, and has room for
// the violations that were found there.

import { button, byId, code, h } from './dom.js';
import { isSame, valueAt, write } from './patch.js';

const lines = (text) => text.split('\n').map((line) => line.trim()).filter(Boolean);
const known = new Map();

/** How a value becomes a field's text, and how the text becomes a value: `undefined` for none. */
const KINDS = {
  text: { show: (value) => value, read: (text) => text },
  nullable: { show: (value) => value, read: (text) => text || null },
  optional: { show: (value) => value, read: (text) => text || undefined },
  number: {
    show: String,
    // What is no number is sent as it is: the service says what is wrong with it.
    read: (text) => (text.trim() === '' ? undefined : Number.isNaN(Number(text)) ? text : Number(text)),
  },
  tags: {
    show: (tags) => tags.join(', '),
    read: (text) => text.split(',').map((tag) => tag.trim()).filter(Boolean),
  },
  pairs: {
    show: (pairs) => Object.entries(pairs).map((pair) => pair.join('=')).join('\n'),
    read: (text) => Object.fromEntries(lines(text).map((line) => {
      const [name, ...value] = line.split('=');
      return [name.trim(), value.join('=').trim()];
    })),
  },
  tools: {
    show: (tools) => tools.map((tool) => tool.tool_id).join('\n'),
    /** A tool whose id stays keeps its other settings. */
    read: (text, before = []) => {
      const tools = lines(text).map((id) => before.find((tool) => tool.tool_id === id) ?? { tool_id: id });
      return tools.length ? tools : undefined;
    },
  },
  model: {
    show: ({ provider, id }) => `${provider}/${id}`,
    read: (text, before) => ({ ...before, ...known.get(text) }),
  },
};

const isEmpty = (value) => value == null || value === '' || isSame(value, []) || isSame(value, {});

/** The form's fields. `onInput` is called when one has written into the document. */
export function formFields(form, onInput) {
  const model = byId('f-model');
  const controls = [...form.querySelectorAll('[data-kind]')];
  /** Room for violations, by pointer. */
  const slots = new Map();
  let document = {};

  for (const place of form.querySelectorAll('[data-at]')) {
    const slot = h('div', { class: 'errors', id: `${place.id || 'limits'}-errors`, 'aria-live': 'polite' });
    (place.closest('.field') ?? place).append(slot);
    slots.set(place.dataset.at, slot);
    const described = [place.getAttribute('aria-describedby'), slot.id].filter(Boolean).join(' ');
    place.setAttribute('aria-describedby', described);
  }

  function option({ provider, id, tier, admitted: isAdmitted = true, retires_on: end }) {
    known.set(`${provider}/${id}`, { provider, id });
    return h('option', { value: `${provider}/${id}`, 'data-admitted': String(isAdmitted) },
      isAdmitted ? id : `${id} (${tier})`, end && ` (retires on ${end})`);
  }

  /** Offers the catalogue's models, with those that the tier does not admit marked. */
  function offer(models) {
    known.clear();
    const groups = Map.groupBy(models, ({ provider }) => provider);
    model.replaceChildren(...[...groups].map(([label, group]) => h('optgroup', { label }, group.map(option))));
  }

  function fillOne(control) {
    const value = valueAt(document, control.dataset.at);
    const { show, read } = KINDS[control.dataset.kind];
    let text = '';
    let isShown = true;
    try {
      if (!isEmpty(value)) text = show(value);
      isShown = isEmpty(value) || isSame(read(text, value), value);
    } catch {
      text = JSON.stringify(value);
      isShown = false;
    }
    // A model of the tenant's own is in no catalogue.
    if (control === model && text && !known.has(text)) model.append(option(value));
    control.value = text;
    // What the field would lose, such as a line break in a tag, only the JSON view can change.
    control.readOnly = !isShown && control !== model;
    control.title = control.readOnly ? 'Only the JSON view can show this as it is.' : '';
  }

  function fill(shown) {
    document = shown;
    controls.forEach(fillOne);
  }

  /** Where a violation belongs: the field of its pointer, or of the nearest thing around it. */
  function slotOf(pointer) {
    const around = [...slots.keys()].filter((at) => pointer === at || pointer.startsWith(`${at}/`));
    return around.sort((one, other) => other.length - one.length)[0];
  }

  /** Puts violations beside their fields, and those that have none, or all of them, into `elsewhere`. */
  function place(violations, elsewhere, isBeside, fix) {
    for (const slot of slots.values()) slot.replaceChildren();
    for (const violation of violations) {
      const at = isBeside ? slotOf(violation.pointer) : undefined;
      (slots.get(at) ?? elsewhere).append(shownViolation(violation, at, document, fix));
    }
    for (const control of controls) {
      control.ariaInvalid = slots.get(control.dataset.at).children.length ? 'true' : null;
    }
  }

  form.addEventListener('input', ({ target }) => {
    if (!target.dataset.kind) return;
    const { at, kind } = target.dataset;
    write(document, at, KINDS[kind].read(target.value, valueAt(document, at)));
    onInput(slotOf(at));
  });
  return { offer, fill, place, slotOf };
}

/** A pointer's last step as a person would say it: a list's item by its name. */
function named(pointer, document) {
  const value = valueAt(document, pointer);
  const last = pointer.slice(pointer.lastIndexOf('/') + 1);
  const name = value?.tool_id ?? value?.name ?? value?.id ?? (typeof value === 'string' ? value : undefined);
  if (!/^\d+$/.test(last)) return last;
  if (name === undefined && value?.version) return `version ${value.version}`;
  return name === undefined ? `item ${Number(last) + 1}` : `“${name}”`;
}

/** What a fix would do, in a few words. */
function described(fix, document) {
  const isNews = ({ op, path, value }) => op === 'remove' || !isSame(valueAt(document, path), value);
  const short = (value) => (typeof value === 'string' ? `“${value}”` : JSON.stringify(value)).slice(0, 60);
  const said = fix.filter(isNews).map(({ op, path, value }) => (op === 'remove'
    ? `remove ${named(path, document)}` : `set ${named(path, document)} to ${short(value)}`));
  const shown = said.slice(0, 3).join(', ').replaceAll(', remove ', ', ');
  return said.length > 3 ? `${shown} and ${said.length - 3} more` : shown;
}

/** A violation, told at the pointer `at`. `fix` applies what would mend it to `document`. */
export function shownViolation(violation, at = '', document, fix) {
  const { pointer, detail, limit, current, min_tier: tier } = violation;
  const facts = [
    typeof limit === 'number' && typeof current === 'number' && ` Here: ${current}, limit: ${limit}.`,
    tier && ` The ${tier} tier admits it.`,
  ];
  const inside = pointer.slice(at.length);
  const told = inside ? detail : detail[0].toUpperCase() + detail.slice(1);
  const mend = fix && violation.fix?.length > 0
    && button(`Fix: ${described(violation.fix, document)}`, () => fix([violation]), { class: 'fix' });
  return h('p', { class: 'error', 'data-pointer': pointer, 'data-code': violation.code },
    h('span', {}, inside && [code(inside), ' '], `${told}.`, facts.filter(Boolean)), mend);
}
