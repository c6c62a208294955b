-- Reads the log of a job.
-- ARGV: ..., root, the place to go on after (0 for the beginning), how many lines at most
-- OK: now_us, owed, then for each line: its place, when, kind, task, worker, progress, detail.
local cut = tonumber(redis.call('HGET', task_key(ARGV[3]), 'cut') or 0)
local first = math.max(0, ARGV[4] - cut)
local lines = {}
for i, packed in ipairs(redis.call('LRANGE', key('log:' .. ARGV[3]), first, first + ARGV[5] - 1)) do
  local line = cmsgpack.unpack(packed)
  local at, kind, task, worker, progress, detail = unpack(line, 1, 6)
  if task == '' then task = ARGV[3] end
  lines[#lines + 1] = {string.format('%.0f', cut + first + i), string.format('%.0f', at), kind, task, worker,
    tostring(progress), detail}
end
return answer(unpack(lines))
