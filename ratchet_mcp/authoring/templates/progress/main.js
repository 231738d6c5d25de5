function isPrime(n) {
  if (n < 2) return false;
  for (let divisor = 2; divisor * divisor <= n; divisor++) {
    if (n % divisor === 0) return false;
  }
  return true;
}

async function main(input) {
  const { numbers } = input;
  const step = Math.max(1, Math.ceil(numbers.length / 20));
  const primes = [];
  for (const [index, number] of numbers.entries()) {
    if (isPrime(number)) primes.push(number);
    if (index % step === 0) {
      reportProgress(Math.round((100 * index) / numbers.length), "count", `${index} of ${numbers.length}`);
    }
  }
  reportProgress(100, "done");
  return { primes: primes.length, largest: primes.length ? primes.reduce((a, b) => Math.max(a, b)) : null };
}
