/** What the actions of `pvmmu xen` share: its options, and the labs that they ask for. */
import { availableParallelism } from 'node:os';
import type { Defect } from '../../models/defects/index.js';
import type { Arch } from '../program/machine.js';
import { Farm } from '../xen/farm.js';
import { bootFiles, type XenOptions } from '../xen/installation.js';

export interface XenCommandOptions extends XenOptions {
  readonly labs?: number;
  readonly arch?: Arch;
  readonly seed?: string;
  /** Seconds. */
  readonly time?: number;
  readonly programs?: number;
  readonly defect?: readonly Defect[];
  readonly output?: string;
}

/** The labs of each architecture, booted when a first program needs them. */
export class Farms {
  private readonly started = new Map<Arch, Promise<Farm>>();

  constructor(
    private readonly options: XenCommandOptions,
    private readonly messages: boolean,
  ) {}

  of(arch: Arch): Promise<Farm> {
    const { options, messages } = this;
    let farm = this.started.get(arch);
    if (farm === undefined) {
      const labs = options.labs ?? availableParallelism();
      farm = Farm.start(bootFiles(arch, options), arch, { labs, messages });
      this.started.set(arch, farm);
    }
    return farm;
  }

  async close(): Promise<void> {
    const farms = await Promise.allSettled(this.started.values());
    await Promise.all(farms.map(async (farm) => farm.status === 'fulfilled' && farm.value.close()));
  }
}
