-- Makes a task of a job that another program put into a queue; of the same job, the same task.
-- ARGV: ..., the job's queue and id with a colon between, task, what does not change of it, queue, priority, attempts, pause_ms, job's id
-- OK: now_us, owed, task.
local known = redis.call('GET', key('job:' .. ARGV[3]))
if known and redis.call('EXISTS', task_key(known)) == 1 then return answer(known) end

local id = ARGV[4]
redis.call('SET', key('job:' .. ARGV[3]), id, 'PX', 7 * 24 * 3600 * 1000)
redis.call('SET', key('spec:' .. id), ARGV[5])
redis.call('HSET', task_key(id), 'state', READY, 'queue', ARGV[6], 'priority', ARGV[7], 'most', ARGV[8], 'pause', ARGV[9], 'created', now, 'ready', now, 'job', ARGV[10])
redis.call('ZADD', key('ready'), now, id)
redis.call('ZADD', key('live'), now, id)
redis.call('ZADD', key('jobs'), now, id)
count('submitted')
log(id, 'submitted', id, 'd', 'by another BullMQ producer')
return answer(id)
