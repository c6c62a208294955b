-- Makes a task of a job that another program put into a queue; of the same job, the same task.
-- args: queue, job, id (of the task, if it is new), spec (packed), priority, max_attempts, backoff_ms
-- answer: id.
local job_key = key('job:' .. args.queue .. ':' .. args.job)
local known = redis.call('GET', job_key)
if known and redis.call('EXISTS', task_key(known)) == 1 then return answer({id = known}) end

local id = args.id
redis.call('SET', job_key, id, 'PX', 7 * 24 * 3600 * 1000)
redis.call('SET', key('spec:' .. id), args.spec)
redis.call('HSET', task_key(id), 'state', READY, 'queue', args.queue, 'priority', args.priority, 'most', args.max_attempts,
  'pause', args.backoff_ms, 'created', now, 'ready', now, 'job', args.job)
redis.call('ZADD', key('ready'), now, id)
redis.call('ZADD', key('live'), now, id)
redis.call('ZADD', key('jobs'), now, id)
count('submitted')
log(id, 'submitted', id, {detail = 'by another BullMQ producer'})
return answer({id = id})
