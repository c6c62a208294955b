-- Hears how far a task is; it never goes back.
-- ARGV: ..., task, lease, progress, note, checkpoint, input tokens, output tokens, cost
-- OK: now_us, owed, the task. Refusals: NOT_FOUND; STALE state, worker.
local id = ARGV[3]
local task = load(id)
local refused = stale(task, ARGV[4])
if refused then return refused end

advance(task, math.max(tonumber(task.progress) or 0, tonumber(ARGV[5])))
redis.call('HSET', task_key(id), 'reported', now, 'stuck', '')
if ARGV[6] ~= '' then redis.call('HSET', text_key(id), 'note', ARGV[6]) end
if ARGV[7] ~= '' then redis.call('HSET', task_key(id), 'checkpoint', ARGV[7]) end
spend(task, ARGV[8], ARGV[9], ARGV[10])
redis.call('ZADD', key('quiet'), now, id)
log(task.root, 'progress', id, 'w', task.worker, 'p', task.progress, 'd', ARGV[6])
return answer(row(id, 'errors'))
