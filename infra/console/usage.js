// How much of its limits the tenant uses: a bar for each, with its level in words besides a colour.

import { h } from './dom.js';

/** What is counted, by its name in the answer. */
const COUNTED = { agents: 'Agents', private_templates: 'Private templates' };
/** The same where there is little room. */
const SHORT = { ...COUNTED, private_templates: 'Templates' };

function levelText({ used, limit, level }) {
  if (level === 'ok') return '';
  if (level === 'warning') return 'nearly full';
  return used > limit ? 'over the limit' : 'full';
}

function numbers({ used, limit }) {
  if (limit == null) return `${used.toLocaleString()}, no limit`;
  return limit === 0 && used === 0 ? 'none in this tier' : `${used.toLocaleString()} of ${limit.toLocaleString()}`;
}

/** A row: what is counted, the numbers, the level in words, and a bar. */
function row(name, usage, names) {
  const { used, limit, level } = usage;
  const said = levelText(usage);
  return h('span', { class: 'usage', 'data-counted': name, 'data-level': level },
    h('span', {}, `${names[name]} `), h('span', { class: 'numbers' }, numbers(usage)),
    said && h('strong', { class: 'level' }, ` ${level === 'reached' ? '▲' : '△'} ${said}`),
    limit > 0 && h('meter', { min: 0, max: limit, value: Math.min(used, limit), 'aria-label': COUNTED[name] }));
}

/** The bars of a document of usage. */
export const usageBars = (usage, isShort = false) => Object.keys(COUNTED).filter((name) => usage[name])
  .map((name) => row(name, usage[name], isShort ? SHORT : COUNTED));

/** What an event of usage tells, in a few words: the counts that are near their limits. */
export function usageText(usage, names = Object.keys(COUNTED)) {
  const near = names.filter((name) => usage[name] && levelText(usage[name]));
  return near.map((name) => `${COUNTED[name]}: ${numbers(usage[name])}, ${levelText(usage[name])}`).join('; ');
}
