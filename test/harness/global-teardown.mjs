export default async function tearDown() {
  await globalThis.porticoTestServer?.remove();
}
