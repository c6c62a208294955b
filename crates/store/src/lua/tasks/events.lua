-- Reads the log of a job.
-- args: root, after (the position of the last line read, 0 for the beginning), max
-- answer: lines: position, at_ms, kind, task, worker, progress, detail.
local cut = tonumber(redis.call('HGET', task_key(args.root), 'cut') or 0)
local first = math.max(0, args.after - cut)
local lines = {}

local function packed_lines()
  if redis.call('HEXISTS', task_key(args.root), 'brief') == 0 then
    return redis.call('LRANGE', key('log:' .. args.root), first, first + args.max - 1)
  end
  return {unpack(brief_lines(args.root), first + 1, math.min(2, first + args.max))}
end

for i, packed in ipairs(packed_lines()) do
  local at, kind, task, worker, progress, detail = unpack(cmsgpack.unpack(packed), 1, 6)
  lines[i] = {position = cut + first + i, at_ms = at, kind = kind, task = task == '' and args.root or task,
    worker = worker, progress = progress, detail = detail}
end
return answer({lines = lines})
