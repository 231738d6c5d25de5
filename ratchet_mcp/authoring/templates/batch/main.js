async function main(input) {
  const { task, inputs, at_once: atOnce = 4 } = input;
  const results = new Array(inputs.length);
  let next = 0;
  const worker = async () => {
    while (next < inputs.length) {
      const index = next++;
      try {
        results[index] = { output: await tasks.call(task, inputs[index]) };
      } catch (error) {
        results[index] = { error: `${error.name}: ${error.message}` };
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, inputs.length) }, worker));
  return { results, failed: results.filter((result) => "error" in result).length };
}
