// An alias's routes: weights as whole percents that add up to 100.

const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);

/** Whole parts of `total` in the proportion of `weights`. They add up to it, and none is below 1. */
export function percents(weights, total = 100) {
  const all = sum(weights);
  const exact = weights.map((weight) => (weight / all) * total);
  const whole = exact.map((share) => Math.max(1, Math.floor(share)));
  for (let left = total - sum(whole); left !== 0; left -= Math.sign(left)) {
    const step = Math.sign(left);
    // Whoever is furthest from the exact share gives or takes one.
    const distance = (index) => (whole[index] + step < 1 ? -Infinity : step * (exact[index] - whole[index]));
    const indices = [...whole.keys()];
    whole[indices.reduce((best, index) => (distance(index) > distance(best) ? index : best))] += step;
  }
  return whole;
}

/** Routes with whole percents for weights. */
export function inPercents(routes) {
  const shares = percents(routes.map(({ weight }) => weight));
  return routes.map(({ version }, index) => ({ version, weight: shares[index] }));
}

/** Routes in percents with one share set. The others divide the rest as they divided theirs. */
export function withShare(routes, index, wanted) {
  if (routes.length === 1) return [{ ...routes[0], weight: 100 }];
  const mine = Math.min(Math.max(Math.round(wanted), 1), 100 - (routes.length - 1));
  const others = routes.filter((_, at) => at !== index);
  const shares = percents(others.map(({ weight }) => weight), 100 - mine);
  return routes.map((route, at) => ({ ...route, weight: at === index ? mine : shares[at < index ? at : at - 1] }));
}

/** Routes in percents with another one, which takes `share` from the others. */
export const withRoute = (routes, version, share) =>
  withShare([...routes, { version, weight: share }], routes.length, routes.length ? share : 100);

export const withoutRoute = (routes, index) => inPercents(routes.filter((_, at) => at !== index));

/** The heaviest route; of equally heavy ones the newest. */
export const heaviest = (routes) => routes.reduce((best, route) => (
  route.weight > best.weight || (route.weight === best.weight && route.version > best.version) ? route : best));

/** Routes in a few words, the newest first. */
export const routesText = (routes) => inPercents(routes).sort((one, other) => other.version - one.version)
  .map(({ version, weight }) => (routes.length === 1 ? `v${version}` : `v${version} ${weight} %`)).join(', ');
