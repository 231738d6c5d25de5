// The second argument of a task: plain facts, and handles of secrets.
(realm) => {
  'use strict';

  // `context.secrets.NAME` is text that the coordinator replaces by the value when it stands in a header; nobody here knows the value.
  const makeSecrets = (handles) => new Proxy(Object.freeze({ __proto__: null, ...handles }), {
    get(target, name) {
      if (typeof name !== 'string' || name in target || name === 'toJSON' || name === 'then') return target[name];
      throw new realm.globals.ConfigurationError(`There is no secret ${realm.inspect(name)} for this task: it has to be added to network.secrets in the settings`);
    },
  });

  realm.makeContext = (facts, handles) => Object.defineProperty(facts, 'secrets', { value: makeSecrets(handles), enumerable: false, configurable: true });
}
