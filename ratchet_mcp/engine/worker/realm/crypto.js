// crypto.randomUUID and crypto.getRandomValues, from the operating system's generator.
(realm) => {
  'use strict';

  const QUOTA = 65536; // bytes a call may ask for, as in browsers

  realm.randomHex = (count) => {
    const hex = realm.current.chance ? realm.current.chance.hex(count) : realm.host.random(count);
    if (hex.length !== 2 * count) throw new Error('crypto: the system gave no random bytes'); // better none than predictable ones
    return hex;
  };

  const randomBytes = (count) => {
    return Uint8Array.fromHex(realm.randomHex(count));
  };

  realm.globals.crypto = {
    randomUUID() {
      const bytes = randomBytes(16);
      bytes[6] = (bytes[6] & 0x0f) | 0x40;
      bytes[8] = (bytes[8] & 0x3f) | 0x80;
      const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
      return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
    },
    getRandomValues(array) {
      if (!ArrayBuffer.isView(array) || array instanceof DataView || array instanceof Float32Array || array instanceof Float64Array) {
        throw new TypeError('getRandomValues: expected an array of integers');
      }
      if (array.byteLength > QUOTA) throw new realm.globals.DOMException(`getRandomValues: more than ${QUOTA} bytes`, 'QuotaExceededError');
      new Uint8Array(array.buffer, array.byteOffset, array.byteLength).set(randomBytes(array.byteLength));
      return array;
    },
  };
}
