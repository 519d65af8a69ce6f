// Risks: the classes that the service knows, how one is shown, and why something was refused.

import { code, h } from './dom.js';
import { shownViolation } from './fields.js';

/** In the service's order: a class, whether a reviewer should look twice, and which changes are of it. */
const CLASSES = [
  ['tools_widened', true, 'A tool is added, or an MCP server’s `allowed_tools` gains a name or is lifted.'],
  ['tools_narrowed', false, 'A tool is removed, or an MCP server’s `allowed_tools` loses a name or is introduced.'],
  ['tool_changed', true, 'A tool that stays differs in anything but the need of approval, its place included.'],
  ['tool_approval_removed', true, 'The `approval` of a tool that stays was `always`, and is not any more.'],
  ['tool_approval_added', false, 'The `approval` of a tool that stays is `always`, and was not before.'],
  ['model_changed', true, 'The model’s `provider`, `id` or `fallbacks` differ.'],
  ['parameters_changed', false, 'The model’s `parameters` differ.'],
  ['instructions_changed', true, 'The `instructions` differ.'],
  ['guardrail_removed', true, 'A guardrail is gone: its `id` and `stage` stand there fewer times.'],
  ['guardrail_weakened', true, 'The `action` of a guardrail goes down, from `block` over `redact` to `warn`.'],
  ['guardrail_strengthened', false, 'The `action` of a guardrail goes up, from `warn` over `redact` to `block`.'],
  ['guardrail_added', false, 'A guardrail is new: its `id` and `stage` stand there more times.'],
  ['guardrails_reordered', true, 'The guardrails that stay are in another order.'],
  ['limits_raised', true, 'A limit (`max_steps`, `timeout_s`, `budget_usd`) is raised or lifted, or all are.'],
  ['limits_lowered', false, 'A limit (`max_steps`, `timeout_s`, `budget_usd`) is lowered or introduced.'],
  ['mcp_server_added', true, 'An MCP server is new, with all the tools that it allows.'],
  ['mcp_server_removed', false, 'An MCP server is gone, with all the tools that it allowed.'],
  ['mcp_server_changed', true, 'An MCP server that stays has another `url`, `auth_ref` or place in the list.'],
  ['knowledge_widened', true, 'A knowledge base is added, or the `filters` of one that stays differ or are gone.'],
  ['knowledge_narrowed', false, 'A knowledge base is removed, or one that stays has `filters` and had none.'],
  ['knowledge_changed', false, 'A knowledge base that stays has another `top_k` or place in the list.'],
  ['sub_agents_added', true, 'The agent may hand work to an agent that it could not hand work to before.'],
  ['sub_agents_removed', false, 'The agent may not hand work to an agent any more.'],
  ['sub_agents_changed', true, 'A sub-agent that stays has another `alias` or place in the list.'],
  ['memory_changed', true, 'The `memory` differs.'],
  ['response_format_changed', false, 'The `response_format` differs.'],
  ['variables_changed', false, 'The `variables_schema` differs.'],
  ['description_changed', false, 'The `name`, `description`, `tags` or `metadata` differ.'],
];
const known = new Map(CLASSES.map(([name, elevated, rule]) => [name, { elevated, rule }]));

/** Their names, in the service's order. */
export const classes = [...known.keys()];
/** A class that this page does not know yet is one to look at twice. */
export const isElevated = ({ class: name, elevated }) => elevated ?? known.get(name)?.elevated ?? true;
const ruleOf = ({ class: name, rule }) => rule ?? known.get(name)?.rule ?? '';

/** Text with its `code`. */
const prose = (text) => text.split('`').map((part, index) => (index % 2 ? code(part) : part));

/** A risk's class. Elevated ones have a sign and a word, besides a colour. */
export function badge(risk) {
  const isHigh = isElevated(risk);
  const rule = ruleOf(risk).replaceAll('`', '');
  const sign = [h('span', { 'aria-hidden': 'true' }, '▲ '), h('span', { class: 'unseen' }, 'elevated: ')];
  return h('span', {
    class: isHigh ? 'risk elevated' : 'risk', 'data-class': risk.class, 'data-pointer': risk.pointer,
    'data-elevated': String(isHigh), title: isHigh ? `Elevated: look twice. ${rule}` : rule,
  }, isHigh && sign, risk.class);
}

/** How many risks, and how many to look at twice. */
export function counted(risks) {
  const high = risks.filter(isElevated).length;
  const number = `${risks.length} ${risks.length === 1 ? 'risk' : 'risks'}`;
  return high ? `${number}, ${high} elevated (▲)` : number;
}

const placed = ({ pointer }) => code(pointer);

/**
 * Risks by their class, elevated ones first. `place(risk)` shows where one is, `more(risk)` adds to its class,
 * and `hasRules` says what is of a class; it is the badge's title anyway.
 */
export function riskList(risks, { more = () => null, place = placed, hasRules = true } = {}) {
  const sorted = [...risks].sort((one, other) => Number(isElevated(other)) - Number(isElevated(one)));
  const groups = [...Map.groupBy(sorted, (risk) => risk.class).values()];
  return h('ul', { class: 'risks' }, groups.map((group) => h('li', {}, badge(group[0]), ' ', more(group[0]),
    group.map((risk) => [' ', place(risk)]),
    hasRules && h('span', { class: 'dim rule' }, prose(ruleOf(group[0]))))));
}

/** What an answer is that asks another user first. */
export const isApproval = (answer) => typeof answer?.requested_by === 'string';

/** Why something was refused, each reason by itself. `fix` applies those that can be mended to `document`. */
export function refusal(problem, { document = {}, fix } = {}, ...more) {
  const isPolicy = problem.code === 'policy_refused';
  const reasons = isPolicy
    ? riskList(problem.errors.map(({ code: name, pointer }) => ({ class: name, pointer })))
    : problem.errors.map((violation) => shownViolation(violation, '', document, fix));
  return h('div', { class: 'notice bad', role: 'alert', 'data-code': problem.code },
    h('p', {}, h('strong', {}, `${problem.title}. `), problem.message,
      problem.requestId && h('span', { class: 'dim' }, ' Request ', code(problem.requestId))), reasons, more);
}
