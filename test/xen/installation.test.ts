import { afterEach, describe, expect, test, vi } from 'vitest';
import { bootFiles, howToInstall, needs } from '../../src/xen/installation.js';

afterEach(() => vi.unstubAllEnvs());

describe('what the lab needs', () => {
  test('is brought by one line that names each Debian package once', () => {
    vi.stubEnv('PATH', '/nowhere');
    const line = howToInstall(needs({ xen: '/nowhere/xen.gz' }));
    expect(line).toMatch(
      /apt-get install -y --no-install-recommends qemu-system-x86 xen-hypervisor-[\d.]+-amd64 gcc binutils make util-linux$/,
    );
  });

  test('is refused in one line by whatever cannot do without', () => {
    vi.stubEnv('PATH', '/nowhere');
    expect(() => bootFiles('x86_64', {})).toThrow(/missing: qemu-system-x86_64, .*apt-get install/);
  });

  test('is found where an option says', () => {
    const [qemu, xen] = needs({ qemu: '/bin/sh', xen: 'package.json' });
    expect(qemu).toMatchObject({ what: '/bin/sh', found: '/bin/sh' });
    expect(xen?.found).toBe('package.json');
  });
});
