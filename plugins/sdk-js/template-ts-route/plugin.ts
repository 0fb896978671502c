import { attribute as path, plugin, shape, TextMap, UNCHANGED } from './wasmill/index.js';

/** Sends each row where its tenant's data goes. */
export default plugin({
  config: { attribute: shape.text(), routes: shape.map(shape.text()), default: shape.optional(shape.text()) },

  init({ attribute, routes, default: other }, needs) {
    needs.signals('traces', 'metrics', 'logs');
    const column = needs.column(path(attribute), 'text', 'dictionary');
    // A set for each name of a route, in the order in which the config has them first.
    const names = new Set(Object.values(routes));
    if (other !== undefined) {
      names.add(other);
    }
    const sets = new Map([...names].map((name) => [name, needs.routeSet(name)]));
    const setOf = new TextMap(Object.entries(routes).map(([value, name]) => [value, sets.get(name) ?? UNCHANGED]));
    const otherwise = other === undefined ? UNCHANGED : (sets.get(other) ?? UNCHANGED);

    return {
      process(slice, verdict) {
        verdict.routeEach(slice.column(column).map(setOf, otherwise));
      },
    };
  },
});
