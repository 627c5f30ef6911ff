import type { Random } from '../core/random.js';
import { PROBLEMS } from '../codes/problems.js';
import { ageAt, type Person } from '../person.js';

/** Height, weight and pressures of one person through life: every visit reads from the same body. */
export interface Body {
  heightCm(at: Date): number;
  weightKg(at: Date): number;
  headCm(at: Date): number;
  systolic(at: Date): number;
  heartRate(at: Date): number;
  breathing(at: Date): number;
}

type Curve = readonly (readonly [age: number, value: number])[];

// Rounded medians of childhood growth, girls and boys together; adults come from their own height.
const HEIGHT: Curve = [
  [0, 50],
  [0.25, 61],
  [0.5, 67],
  [1, 75.5],
  [2, 87],
  [3, 95],
  [4, 102],
  [6, 115.5],
  [8, 127.5],
  [10, 138],
  [12, 149],
  [14, 161],
  [16, 167],
  [18, 169],
];
const WEIGHT: Curve = [
  [0, 3.35],
  [0.02, 3.2],
  [0.25, 6],
  [0.5, 7.7],
  [1, 9.5],
  [2, 12.2],
  [3, 14.2],
  [4, 16.3],
  [6, 20.6],
  [8, 25.6],
  [10, 32],
  [12, 40.5],
  [14, 49],
  [16, 57],
  [18, 62],
];
const HEAD: Curve = [
  [0, 34.5],
  [0.25, 40],
  [0.5, 43],
  [1, 46],
  [2, 48.3],
  [3, 49.5],
];
const SYSTOLIC: Curve = [
  [0, 72],
  [1, 88],
  [6, 98],
  [12, 108],
  [18, 116],
  [40, 119],
  [60, 126],
  [80, 132],
];
const HEART_RATE: Curve = [
  [0, 142],
  [0.5, 132],
  [1, 122],
  [3, 106],
  [6, 92],
  [10, 84],
  [16, 75],
  [20, 71],
  [90, 72],
];
const BREATHING: Curve = [
  [0, 44],
  [0.5, 32],
  [1, 28],
  [3, 24],
  [6, 21],
  [12, 18],
  [18, 15],
  [90, 16],
];

export function makeBody(person: Person, random: Random): Body {
  const { slot } = person;
  const adultHeight = random.near(slot.sex === 'male' ? 176 : slot.sex === 'female' ? 163 : 169, 5);
  const heavy = slot.problems?.some((key) => key === 'obesity' || key === 'diabetes2' || key === 'apnea');
  const slim = slot.age > 85 || slot.problems?.some((key) => key === 'copd' || key === 'osteoporosis');
  const bmi = random.near(heavy ? 33 : slim ? 22 : 25, heavy ? 1 : 1.4);
  const tall = random.near(1, 0.025);
  const broad = tall ** 2 * random.near(1, 0.04);
  const pressure = systolicExtra(person);
  const drift = random.between(-0.35, 0.35);
  const at = (curve: Curve, when: Date): number => onCurve(curve, ageAt(person, when));
  const grown = (when: Date): boolean => ageAt(person, when) >= 18;
  // Growing up joins the curve of the age to the height that this person reaches.
  const stature = slot.age >= 18 ? adultHeight / onCurve(HEIGHT, 18) : tall;
  const heightCm = (when: Date): number => at(HEIGHT, when) * stature - Math.max(0, ageAt(person, when) - 60) * 0.08;
  return {
    heightCm,
    weightKg: (when) =>
      grown(when)
        ? bmi * (adultHeight / 100) ** 2 * random.near(1, 0.006) - drift * yearsLeft(person, when)
        : at(WEIGHT, when) * (slot.age >= 18 ? 1 : broad),
    headCm: (when) => at(HEAD, when) * tall,
    systolic: (when) => random.near(at(SYSTOLIC, when) + pressure, 5),
    heartRate: (when) => random.near(at(HEART_RATE, when), 5),
    breathing: (when) => random.near(at(BREATHING, when), 1.2),
  };
}

const yearsLeft = (person: Person, when: Date): number => ageAt(person, person.end) - ageAt(person, when);

function systolicExtra({ slot }: Person): number {
  const raised = (slot.problems ?? []).some((key) => 'raisesPressure' in PROBLEMS[key]);
  // Treated, so most of the way back.
  return raised ? 11 : 0;
}

function onCurve(curve: Curve, age: number): number {
  let previous = curve[0];
  for (const point of curve) {
    if (previous && age < point[0]) {
      const share = (age - previous[0]) / (point[0] - previous[0]);
      return previous[1] + (point[1] - previous[1]) * Math.max(0, share);
    }
    previous = point;
  }
  return previous?.[1] ?? 0;
}
