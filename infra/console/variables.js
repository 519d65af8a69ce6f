// A form made of a template's variables: a field for each, by its JSON Schema.

import { h } from './dom.js';
import { shownViolation } from './fields.js';
import { isSame } from './patch.js';

/** A text that may be longer than this has several lines to be written in. */
const LINE_MAX = 200;
const SHOWN_MAX = 60;

const lines = (text) => text.split('\n').map((line) => line.trim()).filter(Boolean);
const said = (value) => (typeof value === 'string' ? value : JSON.stringify(value));
const cut = (text) => (text.length > SHOWN_MAX ? `${text.slice(0, SHOWN_MAX - 1)}…` : text);
const isLines = (value) => Array.isArray(value)
  && value.every((item) => typeof item === 'string' && isSame(lines(item), [item]));

/** Whether a text may be empty, as far as that can be told here. */
const admitsEmpty = ({ minLength = 0, pattern }) => minLength === 0 && pattern === undefined;

/** Of each kind: its control, how a value is shown there, and what stands there, `undefined` for nothing. */
const KINDS = {
  flag: {
    make: (attributes) => h('input', { type: 'checkbox', ...attributes }),
    show: (control, value) => { control.checked = value === true; },
    read: (control) => control.checked,
  },
  choice: {
    make: (attributes, { schema, default: usual }) => h('select', attributes,
      usual === undefined && h('option', { value: '' }, 'Choose…'),
      schema.enum.map((value, index) => h('option', { value: index }, said(value)))),
    show(control, value, { schema }) {
      const index = schema.enum.findIndex((known) => isSame(known, value));
      control.value = index < 0 ? '' : index;
    },
    read: (control, { schema }) => schema.enum[control.value],
  },
  number: {
    make: (attributes, { schema }) => h('input', {
      type: 'number', min: schema.minimum ?? schema.exclusiveMinimum, max: schema.maximum ?? schema.exclusiveMaximum,
      step: schema.type === 'integer' ? 1 : 'any', ...attributes,
    }),
    show: (control, value = '') => { control.value = value; },
    read(control) {
      if (control.validity.badInput) throw new Error('this is not a number');
      return control.value === '' ? undefined : Number(control.value);
    },
  },
  text: {
    make: (attributes) => h('input', { autocomplete: 'off', ...attributes }),
    show: (control, value = '') => { control.value = value; },
    read: ({ value }, { schema, default: usual }) => (value || (usual && admitsEmpty(schema)) ? value : undefined),
  },
  list: {
    make: (attributes) => h('textarea', { rows: 3, spellcheck: 'false', ...attributes }),
    show(control, value = []) {
      control.value = value.join('\n');
      control.rows = Math.min(Math.max(value.length + 1, 3), 8);
    },
    // Of a list that may be empty, nothing is a value, too, if there is another by default.
    read: ({ value }, { default: usual }) => (value.trim() || usual ? lines(value) : undefined),
  },
  json: {
    make: (attributes) => h('textarea', { rows: 4, spellcheck: 'false', class: 'json', ...attributes }),
    show: (control, value) => { control.value = value === undefined ? '' : JSON.stringify(value, null, 2); },
    read({ value }) {
      try { return value.trim() ? JSON.parse(value) : undefined; } catch (error) {
        throw new Error(`this is not JSON yet: ${error.message}`);
      }
    },
  },
};
KINDS.long = {
  ...KINDS.text,
  make: (attributes, { schema }) => h('textarea', { rows: schema.maxLength ? 5 : 2, ...attributes }),
};

/** Of which kind a variable's field is: such that it can show the `values` that are known, too. */
function kindOf({ schema }, values) {
  const { type, enum: choices, items, maxLength = Infinity, pattern, format } = schema;
  if (Array.isArray(choices)) return 'choice';
  if (type === 'boolean') return 'flag';
  if (type === 'integer' || type === 'number') return 'number';
  if (type === 'array' && items?.type === 'string' && values.every(isLines)) return 'list';
  if (type !== 'string') return 'json';
  const isLong = maxLength > LINE_MAX && pattern === undefined && format === undefined;
  return isLong || values.some((value) => value.includes?.('\n')) ? 'long' : 'text';
}

/** Which numbers are admitted, or how many items. */
function range({ minimum, maximum, exclusiveMinimum: above, exclusiveMaximum: below, minItems, maxItems }) {
  const [least, most] = [minimum ?? minItems, maximum ?? maxItems];
  if (least !== undefined && most !== undefined) return `${least} to ${most}`;
  return [above !== undefined && `more than ${above}`, least && `at least ${least}`,
    most !== undefined && `at most ${most}`, below !== undefined && `less than ${below}`].filter(Boolean).join(', ');
}

function usualText(value) {
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (isLines(value)) return value.length ? cut(value.join(', ')) : 'none';
  return cut(said(value)) || 'empty';
}

function hintOf({ schema, description, default: usual }, kind) {
  const bounds = ['number', 'list'].includes(kind) ? range(schema) : '';
  const choices = kind === 'list' && schema.items.enum;
  const parts = [description?.replace(/[^.!?…]$/, '$&.'),
    kind === 'list' && `One on a line${bounds && `, ${bounds}`}.`, kind === 'json' && 'As JSON.',
    kind === 'number' && bounds && `${bounds[0].toUpperCase()}${bounds.slice(1)}.`,
    choices && `Of ${choices.join(', ')}.`, usual !== undefined && `Default: ${usualText(usual)}.`];
  return parts.filter(Boolean).join(' ');
}

const plural = (number, what) => `${number} ${what}${number === 1 ? '' : 's'}`;
/** What a keyword of a schema asks for. */
const ASKED = {
  type: (type) => `must be of the type ${[type].flat().join(' or ')}`,
  enum: (choices) => `must be one of ${choices.map(said).join(', ')}`,
  minimum: (least) => `must be at least ${least}`,
  maximum: (most) => `must be at most ${most}`,
  exclusiveMinimum: (bound) => `must be more than ${bound}`,
  exclusiveMaximum: (bound) => `must be less than ${bound}`,
  minLength: (least) => (least === 1 ? 'must not be empty' : `must have at least ${plural(least, 'character')}`),
  maxLength: (most) => `may have at most ${plural(most, 'character')}`,
  pattern: (pattern) => `must match ${pattern}`,
  minItems: (least) => `must have at least ${plural(least, 'item')}`,
  maxItems: (most) => `may have at most ${plural(most, 'item')}`,
  uniqueItems: () => 'must not have the same item twice',
};

/** A violation of a variable's schema with what the schema asks for, where that can be told. */
function explained(violation, variable) {
  const inside = violation.pointer.split('/').slice(3);
  const schema = inside.length ? variable.schema.items : variable.schema;
  const keyword = /^breaks `(\w+)`/.exec(violation.detail)?.[1];
  const isKnown = inside.length < 2 && Object.hasOwn(ASKED, keyword ?? '') && schema?.[keyword] !== undefined;
  const detail = isKnown ? ASKED[keyword](schema[keyword]) : violation.detail;
  return { ...violation, detail: inside.length === 1 ? `item ${Number(inside[0]) + 1} ${detail}` : detail };
}

/**
 * The fields of `variables`; `values` are some that the fields must be able to show, by name, and `prefix`
 * begins the fields' ids. `onInput(name)` is called when something is typed or chosen.
 */
export function variableFields(variables, { values: known = [], prefix = 'var', onInput = () => {} } = {}) {
  const fields = new Map();

  function field(variable) {
    const { name, title, default: usual } = variable;
    const id = `${prefix}-${name}`;
    const values = [usual, ...known.map((one) => one[name])].filter((value) => value !== undefined);
    const kind = kindOf(variable, values);
    const hint = hintOf(variable, kind);
    const described = [hint && `${id}-hint`, `${id}-errors`].filter(Boolean).join(' ');
    const control = KINDS[kind].make({ id, 'data-variable': name, 'aria-describedby': described,
      required: usual === undefined && kind !== 'flag' }, variable);
    const slot = h('div', { class: 'errors', id: `${id}-errors`, 'aria-live': 'polite' });
    const label = h('label', { for: id }, title ?? name,
      control.required && h('span', { class: 'required' }, ' required'));
    const shown = kind === 'flag' ? h('div', { class: 'flag' }, control, label) : [label, control];
    fields.set(name, { variable, kind, control, slot });
    const told = hint && h('p', { class: 'hint', id: `${id}-hint` }, hint);
    return h('div', { class: 'field', 'data-kind-of': kind }, shown, told, slot);
  }

  const element = h('div', { class: 'variables' }, variables.map(field));

  /** Shows values, and the defaults where there are none. */
  function fill(values = {}) {
    for (const { variable, kind, control } of fields.values()) {
      const { name, default: usual } = variable;
      KINDS[kind].show(control, Object.hasOwn(values, name) ? values[name] : usual, variable);
    }
  }

  /** What stands in the fields, without what is the default anyway, and what can't be read. */
  function read() {
    const values = {};
    const mistakes = [];
    for (const [name, { variable, kind, control }] of fields) {
      try {
        const value = KINDS[kind].read(control, variable);
        const isUsual = Object.hasOwn(variable, 'default') && isSame(value, variable.default);
        if (value !== undefined && !isUsual) values[name] = value;
      } catch (error) {
        mistakes.push({ pointer: `/variables/${name}`, code: 'mistake', detail: error.message });
      }
    }
    return { values, mistakes };
  }

  /** Puts violations beside their fields, and gives those that have none. */
  function place(violations) {
    for (const { slot } of fields.values()) slot.replaceChildren();
    const rest = violations.filter((violation) => {
      const found = fields.get(/^\/variables\/([^/]*)/.exec(violation.pointer)?.[1]);
      found?.slot.append(shownViolation(explained(violation, found.variable), violation.pointer));
      return !found;
    });
    for (const { control, slot } of fields.values()) control.ariaInvalid = slot.children.length ? 'true' : null;
    return rest;
  }

  const focus = (name) => fields.get(name)?.control.focus();
  const titleOf = (name) => fields.get(name)?.variable.title ?? name;

  element.addEventListener('input', ({ target }) => onInput(target.dataset.variable));
  fill();
  return { element, fill, read, place, focus, titleOf };
}
