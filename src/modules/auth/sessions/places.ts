import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { Inject, Injectable } from '@nestjs/common';
import ipaddr from 'ipaddr.js';
import { open, type Reader, type Response } from 'maxmind';
import { CONFIG, type Config } from '../../../platform/config/config.js';
import { Logger } from '../../../platform/logging/logger.js';

const UNKNOWN_PLACE = 'Unknown place';
const PRIVATE_NETWORK = 'Private network';

const require = createRequire(import.meta.url);
const FILE = 'geo-whois-asn-country.mmdb';
const COUNTRY = new Intl.DisplayNames(['en'], { type: 'region', fallback: 'none' });
const PRIVATE = new Set(['loopback', 'private', 'uniqueLocal', 'linkLocal']);

type Address = ipaddr.IPv4 | ipaddr.IPv6;
type Country = Response & { country_code: string };

interface KnownNetwork {
  name: string;
  range: [Address, number];
}

/** The kind first: ipaddr.js throws on a range of the other kind. */
const holds = ({ range }: KnownNetwork, address: Address): boolean =>
  range[0].kind() === address.kind() && address.match(range);

/**
 * Where a network address is, in words that its user can recognise or be alarmed by: a network of the hospital by
 * configuration, a private one, or a country. Words for people and never a reason to let anybody in: registries of
 * addresses are wrong now and then.
 */
@Injectable()
export class Places {
  private readonly networks: KnownNetwork[];
  private countries: Promise<Reader<Country> | null> | null = null;

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly logger: Logger,
  ) {
    this.networks = config.sessions.knownNetworks
      .map(({ name, cidr }) => ({ name, range: ipaddr.parseCIDR(cidr) }))
      .sort((a, b) => b.range[1] - a.range[1]);
  }

  /** Never fails: what cannot be told is an unknown place. */
  async of(address: string): Promise<string> {
    if (!ipaddr.isValid(address)) return UNKNOWN_PLACE;
    const parsed = ipaddr.process(address);
    const known = this.networks.find((network) => holds(network, parsed));
    if (known) return known.name;
    if (PRIVATE.has(parsed.range())) return PRIVATE_NETWORK;
    const code = (await this.reader())?.get(parsed.toString())?.country_code;
    return (code !== undefined && /^[A-Z]{2}$/.test(code) && COUNTRY.of(code)) || UNKNOWN_PLACE;
  }

  /** Eight megabytes, read once and only by a process to which somebody comes from outside. */
  private reader(): Promise<Reader<Country> | null> {
    const bundled = () =>
      join(dirname(require.resolve('@ip-location-db/geo-whois-asn-country-mmdb/package.json')), FILE);
    this.countries ??= open<Country>(this.config.sessions.placesFile || bundled(), { cache: { max: 1_000 } }).catch(
      (error: unknown) => {
        this.logger.error('the countries of addresses cannot be read: places stay unknown', error);
        return null;
      },
    );
    return this.countries;
  }
}
