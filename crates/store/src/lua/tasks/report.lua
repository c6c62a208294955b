-- Records the progress of a task, which never goes back.
-- args: id, lease, progress, note ('' for as before), checkpoint ('' for as before), usage
-- answer: task. Refusals: NOT_FOUND; STALE: state, worker.
local task = load(args.id)
local refused = stale(task, args.lease)
if refused then return refused end

advance(task, math.max(tonumber(task.progress) or 0, args.progress))
redis.call('HSET', task_key(task.id), 'reported', now, 'stuck', '')
if args.note ~= '' then redis.call('HSET', text_key(task.id), 'note', args.note) end
if args.checkpoint ~= '' then redis.call('HSET', task_key(task.id), 'checkpoint', args.checkpoint) end
spend(task, args.usage)
redis.call('ZADD', key('quiet'), now, task.id)
log(task.root, 'progress', task.id, {worker = task.worker, progress = task.progress, detail = args.note})
return answer({task = row(task.id, 'errors')})
