import { attribute, make, NONE, plugin, shape, TextMap } from './wasmill/index.js';

/** Says on each row which team owns its service. */
export default plugin({
  config: { teams: shape.map(shape.text()), default: shape.optional(shape.text()) },

  init({ teams, default: unowned }, needs) {
    needs.signals('traces', 'metrics', 'logs');
    needs.uses('edits');
    const service = needs.column(attribute('service.name', 'resource.attributes'), 'text', 'dictionary');
    // A dictionary of teams, and each service's place in it. The default is the last one.
    const names = [...new Set(Object.values(teams))];
    const places = new TextMap(Object.entries(teams).map(([name, team]) => [name, names.indexOf(team)]));
    const otherwise = unowned === undefined ? NONE : names.push(unowned) - 1;

    return {
      process(slice, verdict) {
        const services = slice.column(service);
        const team = services.map(places, otherwise);
        if (otherwise !== NONE) {
          verdict.set(attribute('team'), 'all', make.dictionary(team, names));
        } else {
          const owned = services.isIn(places);
          verdict.set(attribute('team'), owned, make.dictionary(owned.pick(team), names));
        }
      },
    };
  },
});
