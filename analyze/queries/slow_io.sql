-- SPDX-License-Identifier: Apache-2.0
-- title: The slowest block requests
-- about: Requests past the threshold, with who else was in the device.
-- param: container text -: only this container, by name or ref
-- param: disk text -: only this disk
SELECT b.ts_ns, b.duration_ns, b.queue_ns, b.device_ns, b.disk, b.bytes AS size_bytes, b.container_name AS container, b.comm AS task,
	b.error, (SELECT name FROM v_container o WHERE o.container = b.occ1) AS also_in_the_device, b.occ1_ns AS its_share_ns
FROM v_block b
WHERE b.ts_ns IN (SELECT b.ts_ns FROM v_block b WHERE b.ts_ns > :since AND b.ts_ns <= :until AND (:disk IS NULL OR b.disk = :disk) AND (:container IS NULL OR b.container IN (SELECT container FROM v_container WHERE name = :container OR ref = :container))
	ORDER BY b.duration_ns DESC LIMIT 100)
ORDER BY b.duration_ns DESC
LIMIT 100
