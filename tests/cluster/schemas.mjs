// Checks a JSON array of objects against current Kubernetes' schemas, as the npm package kubernetes-models has them; prints
// what is wrong. node schemas.mjs FILE; copied into a folder with that package and those of cert-manager and the Prometheus operator.
import { readFileSync } from 'node:fs';

const homes = { 'cert-manager.io': '@kubernetes-models/cert-manager', 'monitoring.coreos.com': '@kubernetes-models/prometheus-operator' };
let faults = 0;
for (const it of JSON.parse(readFileSync(process.argv[2], 'utf8'))) {
  const group = it.apiVersion.split('/')[0];
  const place = `${homes[group] ?? 'kubernetes-models'}/${it.apiVersion}/${it.kind}`;
  try {
    const models = await import(place);
    new models[it.kind](it).validate();
  } catch (error) {
    console.log(`${it.apiVersion} ${it.kind} ${it.metadata.name}: ${error.message}`);
    faults++;
  }
}
process.exit(faults ? 1 : 0);
