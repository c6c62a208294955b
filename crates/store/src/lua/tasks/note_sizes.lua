-- Notes what each kind of keys takes of Redis's memory.
-- args: sizes: kind, keys, bytes
redis.call('DEL', key('sizes'))
for _, size in ipairs(args.sizes) do redis.call('HSET', key('sizes'), size.kind, cmsgpack.pack({size.keys, size.bytes})) end
redis.call('PEXPIRE', key('sizes'), 3600 * 1000)
return answer({})
