-- SPDX-License-Identifier: Apache-2.0
-- title: What the kernel said
-- about: Kernel messages up to a severity, newest first.
-- param: priority int 4: 0 emergencies, 4 warnings, 7 everything
SELECT ts_ns, priority, text
FROM v_log
WHERE ts_ns > :since AND ts_ns <= :until AND priority <= :priority AND facility = 0
ORDER BY ts_ns DESC
LIMIT 200
