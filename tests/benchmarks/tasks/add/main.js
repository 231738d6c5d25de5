(function (input) {
  const { a, b } = input;
  return { sum: a + b };
})
