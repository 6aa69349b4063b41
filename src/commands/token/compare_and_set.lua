local now = redis.call('HMGET', KEYS[1], 'encryptedPEK', 'serviceTokens')
if (now[1] or '') ~= ARGV[1] or (now[2] or '') ~= ARGV[2] then return 0 end
if ARGV[3] ~= ARGV[2] then redis.call('HSET', KEYS[1], 'serviceTokens', ARGV[3]) end
for i = 4, #ARGV do redis.call('HDEL', KEYS[1], ARGV[i]) end
return 1
