// Two documents side by side: lines for both, what belongs together in one row.

/** Above this many pairs of lines, what differs is not looked into. */
const PAIRS_MAX = 4_000_000;
/** Members by which an item of a list is known from another one. */
const NAMES = ['tool_id', 'name', 'id'];

const isList = Array.isArray;
const isObject = (value) => typeof value === 'object' && value !== null && !isList(value);
const isText = (value) => typeof value === 'string';
const escaped = (step) => String(step).replaceAll('~', '~0').replaceAll('/', '~1');

/** What an item is known by: a text to compare, and the members that it is made of. */
function identity(item) {
  if (!isObject(item)) return { text: JSON.stringify(item), members: [] };
  const name = NAMES.find((member) => isText(item[member]));
  if (!name) return { text: '', members: [] };
  if (isText(item.stage)) return { text: `${item[name]} (${item.stage})`, members: [name, 'stage'] };
  return { text: item[name], members: [name] };
}

/**
 * Pairs of indices of two lists: the longest sequence of equals, and beside it what is in one alone,
 * as `[index, null]` or `[null, index]`.
 */
function aligned(left, right, isEqual) {
  let start = 0;
  while (start < left.length && start < right.length && isEqual(left[start], right[start])) start += 1;
  let [lefts, rights] = [left.length, right.length];
  while (lefts > start && rights > start && isEqual(left[lefts - 1], right[rights - 1])) {
    lefts -= 1;
    rights -= 1;
  }
  const pairs = Array.from({ length: start }, (_, index) => [index, index]);
  const [height, width] = [lefts - start, rights - start];
  const isLarge = height * width > PAIRS_MAX;
  // How long the longest common rest is from each pair on.
  const rest = isLarge ? [] : Array.from({ length: height + 1 }, () => new Uint32Array(width + 1));
  for (let row = height - 1; row >= 0 && !isLarge; row -= 1) {
    for (let column = width - 1; column >= 0; column -= 1) {
      rest[row][column] = isEqual(left[start + row], right[start + column])
        ? rest[row + 1][column + 1] + 1 : Math.max(rest[row + 1][column], rest[row][column + 1]);
    }
  }
  let [row, column] = [0, 0];
  while (row < height || column < width) {
    const isBoth = row < height && column < width;
    if (isBoth && !isLarge && isEqual(left[start + row], right[start + column])) {
      pairs.push([start + row++, start + column++]);
    } else if (row < height && (column === width || isLarge || rest[row + 1][column] >= rest[row][column + 1])) {
      pairs.push([start + row++, null]);
    } else {
      pairs.push([null, start + column++]);
    }
  }
  for (let index = 0; lefts + index < left.length; index += 1) pairs.push([lefts + index, rights + index]);
  return pairs;
}

/** Lines that are gone beside lines that are new, in their order, rather than below them. */
function besides(pairs) {
  const result = [];
  let [gone, added] = [[], []];
  const flush = () => {
    for (let index = 0; index < Math.max(gone.length, added.length); index += 1) {
      result.push([gone[index] ?? null, added[index] ?? null]);
    }
    [gone, added] = [[], []];
  };
  for (const pair of pairs) {
    if (pair[1] === null) gone.push(pair[0]);
    else if (pair[0] === null) added.push(pair[1]);
    else {
      flush();
      result.push(pair);
    }
  }
  flush();
  return result;
}

/**
 * The rows of two documents. Each has a depth and, on the sides where it stands, a text and the pointer
 * of what it shows; `state` is same, changed, removed or added, and `inside` says that a row below it
 * is not the same.
 */
export function rows(left, right) {
  const found = [];

  function push(depth, one, other) {
    const state = !one ? 'added' : !other ? 'removed' : one.text === other.text ? 'same' : 'changed';
    const row = { depth, left: one, right: other, state, inside: false };
    found.push(row);
    return row;
  }

  /** One side of a row: `undefined` if the side has nothing there. */
  const side = (part, text) => part && { text: `${part.label}${text(part)}`, pointer: part.pointer };

  function both(depth, one, other, text, below) {
    const row = push(depth, side(one, text), side(other, text));
    const from = found.length;
    below?.();
    row.inside = found.slice(from).some(({ state }) => state !== 'same');
  }

  const member = (part, name) => part && Object.hasOwn(part.value, name)
    ? { value: part.value[name], pointer: `${part.pointer}/${escaped(name)}`, label: `${name}: ` } : undefined;

  function object(depth, one, other, leftOut = []) {
    const names = new Set([...Object.keys(one?.value ?? {}), ...Object.keys(other?.value ?? {})]);
    for (const name of names) if (!leftOut.includes(name)) walk(depth, member(one, name), member(other, name));
  }

  const item = (part, index) => (part && index !== null && index !== undefined
    ? { value: part.value[index], pointer: `${part.pointer}/${index}`, label: '- ' } : undefined);

  function list(depth, one, other) {
    const known = [one, other].map((part) => (part?.value ?? []).map((value) => identity(value).text));
    let pairs = aligned(...known, (a, b) => a === b);
    if (![one, other].some((part) => part?.value.some(isObject))) pairs = besides(pairs);
    for (const [was, is] of pairs) walk(depth, item(one, was), item(other, is));
  }

  function text(depth, one, other) {
    const lines = [one, other].map((part) => part?.value.split('\n') ?? []);
    const at = (part, own, index) => (index === null ? undefined : { text: own[index], pointer: part.pointer });
    for (const [was, is] of besides(aligned(...lines, (a, b) => a === b))) {
      push(depth, at(one, lines[0], was), at(other, lines[1], is));
    }
  }

  function walk(depth, one, other) {
    const present = [one, other].filter(Boolean);
    const are = (is) => present.every(({ value }) => is(value));
    if (are(isText) && present.some(({ value }) => value.includes('\n'))) {
      both(depth, one, other, () => '¶', () => text(depth + 1, one, other));
    } else if (are(isObject)) {
      const own = present[0].label === '- ' ? identity(present[0].value) : { text: '', members: [] };
      const inside = (value) => (Object.keys(value).length ? '' : '{}');
      both(depth, one, other, ({ label, value }) => (label === '- ' ? identity(value).text : '') || inside(value),
        () => object(depth + 1, one, other, own.members));
    } else if (are(isList)) {
      both(depth, one, other, ({ value }) => (value.length ? '' : '[]'), () => list(depth + 1, one, other));
    } else if (present.length === 2 && !are((value) => typeof value !== 'object' || value === null)) {
      walk(depth, one, undefined);
      walk(depth, undefined, other);
    } else {
      both(depth, one, other, ({ value }) => JSON.stringify(value));
    }
  }

  object(0, { value: left, pointer: '' }, { value: right, pointer: '' });
  return found;
}

/** Where two texts differ: `[before, own, after]` of each, its own middle between what both share. */
export function middles(one, other) {
  let start = 0;
  while (start < one.length && start < other.length && one[start] === other[start]) start += 1;
  let end = 0;
  const most = Math.min(one.length, other.length) - start;
  while (end < most && one.at(-1 - end) === other.at(-1 - end)) end += 1;
  const parts = (text, last) => [text.slice(0, start), text.slice(start, last), text.slice(last)];
  return [one, other].map((text) => parts(text, text.length - end));
}

const GONE = new Set(['tools_narrowed', 'guardrail_removed', 'mcp_server_removed', 'knowledge_narrowed',
  'sub_agents_removed']);

/** The row and side where a risk is: where it was for what is gone, where it is else. */
export function placeOf(all, { class: name, pointer }) {
  const sides = GONE.has(name) ? ['left', 'right'] : ['right', 'left'];
  const differs = ({ state, inside }) => state !== 'same' || inside;
  for (let at = pointer; ; at = at.slice(0, at.lastIndexOf('/'))) {
    for (const side of sides) {
      const row = all.find((known) => known[side]?.pointer === at && differs(known));
      if (row) return { row, side };
    }
    if (!at) return undefined;
  }
}
