'use strict';
// The rules, by name: what each does, from the files beside this one, and what is said of it, from `catalog.json`.

const facts = require('../catalog.json');

const files = [
  require('./apply_to_spread'), require('./concat_to_template'), require('./dead_code'), require('./default_parameters'),
  require('./duplicate_expression'), require('./early_return'), require('./function_to_arrow'), require('./loop_to_array_method'),
  require('./nullish_coalescing'), require('./object_shorthand'), require('./optional_chaining'), require('./require_to_import'),
  require('./then_to_await'), require('./unused_imports'), require('./var_to_let_const'),
];

module.exports = new Map(files.map((rule) => [rule.name, { ...facts.find((each) => each.name === rule.name), ...rule }]));
