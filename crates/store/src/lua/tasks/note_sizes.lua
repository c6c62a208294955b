-- Notes what each kind of keys takes of Redis's memory, and how far bounds are used.
-- args: sizes: kind, keys, bytes; usages: what, used, of
redis.call('DEL', key('sizes'), key('usages'))
for _, size in ipairs(args.sizes) do redis.call('HSET', key('sizes'), size.kind, cmsgpack.pack({size.keys, size.bytes})) end
for _, usage in ipairs(args.usages) do redis.call('HSET', key('usages'), usage.what, cmsgpack.pack({usage.used, usage.of})) end
for _, name in ipairs({'sizes', 'usages'}) do redis.call('PEXPIRE', key(name), 3600 * 1000) end
return answer({})
